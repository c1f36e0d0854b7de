/* An address of the module area where only the lowest 4 GiB fit. */

int init_module(void)
{
	unsigned int at;

	__asm__ volatile("movl $init_module, %0" : "=r"(at));
	return at == 0;
}
