/* A complete module in C: it prints through the kernel, uses its memory, clock and tables, and reads a parameter.
 *
 * Build: gcc @modules/gcc.args -c modules/sample.c -o sample.o
 * Parameter: sample.greeting=TEXT on the guest's command line.
 *
 * A module is one relocatable object. The kernel calls init_module once it is in place, 0 means success; everything
 * in .init.* sections is given back afterwards. cleanup_module runs before it goes. docs/modules.md lists what the
 * kernel exports.
 */

typedef unsigned long u64;

void revector_print(const char *text, u64 len);
void *revector_alloc(u64 bytes);
void revector_free(void *block);
u64 revector_time(void);
u64 revector_p2m(u64 pfn);
u64 revector_m2p(u64 mfn);
u64 revector_walk(u64 at, u64 entries[4]);
long revector_param(const char *key, u64 key_len, char *value, u64 room);
int _printk(const char *format, ...);
u64 strlen(const char *text);

#define INIT __attribute__((section(".init.text"), noinline))

static char greeting[32] = "a module in C";
static int checks;

static void print(const char *text)
{
	revector_print(text, strlen(text));
}

/* Memory that is written and read back. */
INIT static int memory_holds(void)
{
	volatile u64 *block = revector_alloc(4096);
	int held = block != 0;

	for (u64 n = 0; held && n < 512; n++)
		block[n] = n * n;
	for (u64 n = 0; held && n < 512; n++)
		held = block[n] == n * n;
	revector_free((void *)block);
	return held;
}

/* The page that holds `checks`: its entry's frame is a frame of ours, and P2M and M2P agree on it. */
INIT static int tables_agree(void)
{
	u64 entries[4], mfn, pfn;

	if (revector_walk((u64)&checks, entries) != 4)
		return 0;
	mfn = entries[3] >> 12 & 0xffffffffffUL;
	pfn = revector_m2p(mfn);
	return pfn != ~0UL && revector_p2m(pfn) == mfn;
}

/* A data page must not be executable, a page of code not writable. */
INIT static int rights_are_right(void)
{
	u64 data[4], code[4];

	return revector_walk((u64)&checks, data) == 4 && revector_walk((u64)&print, code) == 4 &&
	       data[3] >> 63 == 1 && (data[3] & 2) == 2 && code[3] >> 63 == 0 && (code[3] & 2) == 0;
}

INIT int init_module(void)
{
	static const char key[] = "sample.greeting";
	u64 start = revector_time();

	revector_param(key, sizeof(key) - 1, greeting, sizeof(greeting) - 1);
	checks = memory_holds() + tables_agree() + rights_are_right();
	checks += revector_time() >= start;
	_printk("sample: %s says: %d of %u checks hold, %s %#lx\n", greeting, checks, 4u, "loaded at", (u64)&print);
	return checks == 4 ? 0 : -1;
}

void cleanup_module(void)
{
	print("sample: goodbye");
}
