/* A module of BYTES bytes, all of them zeros that the file does not hold: a few fill the module area to its end. */

#define PAGE 4096UL

int _printk(const char *format, ...);

static unsigned char block[BYTES];

int init_module(void)
{
	unsigned long zeros = 0;

	for (unsigned long at = 0; at < BYTES; at += PAGE)
		zeros += ((volatile unsigned char *)block)[at] == 0;
	_printk("fill: %lu of %lu pages are zeros\n", zeros, BYTES / PAGE);
	return zeros == BYTES / PAGE ? 0 : -1;
}

void cleanup_module(void)
{
}
