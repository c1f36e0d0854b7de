/* Loads and unloads: what comes after each broken module. */

int init_module(void)
{
	return 0;
}

void cleanup_module(void)
{
}
