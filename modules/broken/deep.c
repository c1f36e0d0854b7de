/* Its init has a frame of 32 KiB and calls itself, touching only the lowest words of each frame: it steps over the
 * guard page below the stack, which has one page, and must fault on what lies below that. Nothing can survive it.
 */

static int descend(int depth)
{
	volatile char room[32 << 10];

	room[0] = (char)depth;
	return depth < 100 ? descend(depth + 1) + room[0] : depth;
}

int init_module(void)
{
	return descend(0);
}
