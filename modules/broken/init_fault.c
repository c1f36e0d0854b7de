/* Its init writes where nothing is mapped. The trace names both functions. */

__attribute__((noinline)) int stumble(volatile int *where)
{
	/* A function that asks for its frame has one, so the trace can go on to its caller. */
	__asm__ volatile("" : : "r"(__builtin_frame_address(0)));
	*where = 1;
	return *where;
}

int init_module(void)
{
	return stumble((int *)0xffffc90000000000) + 1;
}
