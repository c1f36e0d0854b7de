/* The upper half of a chain of two modules: uses a function and a variable of the lower one. */

int chain_base_next(int value);
extern int chain_base_step;
int _printk(const char *format, ...);

int init_module(void)
{
	int value = 0;

	for (int n = 0; n < 5; n++)
		value = chain_base_next(value);
	_printk("chain_top: five steps of %d give %d\n", chain_base_step, value);
	return value == 5 * chain_base_step ? 0 : -1;
}

void cleanup_module(void)
{
}
