/* The lower half of a chain of two modules: offers a function and a variable. The archive has the upper half first. */

int chain_base_step = 7;

int chain_base_next(int value)
{
	return value + chain_base_step;
}

int init_module(void)
{
	return 0;
}

void cleanup_module(void)
{
}
