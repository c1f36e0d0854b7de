/* Wants symbols that nobody exports; the weak one may stay away, and is zero then. */

int nowhere_function(void);
extern int nowhere_variable;
int perhaps(void) __attribute__((weak));

int init_module(void)
{
	return perhaps ? perhaps() : nowhere_function() + nowhere_variable;
}
