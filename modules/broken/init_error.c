/* Its init says no: -ENODEV. */

int init_module(void)
{
	return -19;
}
