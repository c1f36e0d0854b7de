/* A module of 16 MiB: half of it in the file, half zeros. Checks both halves from end to end, a word per page. */

#define HALF (8UL << 20)
#define PAGE 4096UL

int _printk(const char *format, ...);

static volatile unsigned char filled[HALF] = { [0] = 1, [HALF / 2] = 2, [HALF - 1] = 3 };
static volatile unsigned char zeros[HALF];
static volatile unsigned char *const ends[] = { &filled[HALF - 1], &zeros[HALF - 1] };

int init_module(void)
{
	int held = filled[0] == 1 && filled[HALF / 2] == 2 && *ends[0] == 3 && *ends[1] == 0;

	for (unsigned long at = 0; at < HALF; at += PAGE) {
		held = held && zeros[at] == 0 && (filled[at] == 0 || at == 0 || at == HALF / 2);
		zeros[at] = (unsigned char)(at / PAGE);
	}
	for (unsigned long at = 0; at < HALF; at += PAGE)
		held = held && zeros[at] == (unsigned char)(at / PAGE);
	_printk("big: %lu MiB: %s\n", 2 * HALF >> 20, held ? "every page is its own" : "WRONG");
	return held ? 0 : -1;
}

void cleanup_module(void)
{
}
