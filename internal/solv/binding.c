#include "binding.h"

#include <string.h>

/* A pool with rpm's semantics whatever the distribution built libsolv for, and
 * with multilib as Fedora has it; NULL when this libsolv knows no RPMs. */
Pool *binding_pool(const char *arch)
{
	Pool *pool = pool_create();
	if (pool_setdisttype(pool, DISTTYPE_RPM) < 0) {
		pool_free(pool);
		return NULL;
	}
	pool_setdebugmask(pool, 0);
	pool_set_flag(pool, POOL_FLAG_IMPLICITOBSOLETEUSESCOLORS, 1);
	pool_setarch(pool, arch);
	return pool;
}

static void forget_excluded(Pool *pool)
{
	if (pool->considered)
		map_free(pool->considered);
	pool->considered = solv_free(pool->considered);
}

void binding_close(Pool *pool)
{
	forget_excluded(pool);
	pool_free(pool);
}

int binding_compatible(Pool *pool, const char *arch)
{
	Id id = pool_str2id(pool, arch, 0);
	return id && pool_arch2score(pool, id) != 0;
}

static const char *after(const char *text)
{
	return text + strlen(text) + 1;
}

/* Carries out the code at *at, sets *at behind it, and returns the dependency;
 * 0 if it is none. */
static Id dependency(Pool *pool, const char **at)
{
	Id stack[BINDING_STACK];
	const char *code = *at;
	int n = 0;
	while (*code != BINDING_END) {
		int what = *code++;
		if (what == BINDING_PUSH) {
			int op = *code++;
			Id id = pool_str2id(pool, code, 1);
			code = after(code);
			if (op)
				id = pool_rel2id(pool, id, pool_str2id(pool, code, 1), op, 1);
			code = after(code);
			if (n == BINDING_STACK)
				return 0;
			stack[n++] = id;
		} else {
			if (n < 2)
				return 0;
			n--;
			stack[n - 1] = pool_rel2id(pool, stack[n - 1], stack[n], what, 1);
		}
	}
	*at = code + 1;
	return n == 1 ? stack[0] : 0;
}

Id binding_dependency(Pool *pool, const char *code)
{
	return dependency(pool, &code);
}

/* The list of dependencies that a letter of package.go stands for. */
static Offset *list_of(Solvable *s, char kind)
{
	switch (kind) {
	case 'p': return &s->provides;
	case 'r': return &s->requires;
	case 'c': return &s->conflicts;
	case 'o': return &s->obsoletes;
	case 'm': return &s->recommends;
	case 's': return &s->suggests;
	case 'u': return &s->supplements;
	case 'e': return &s->enhances;
	}
	return NULL;
}

/* Adds a package: name NUL, version NUL and architecture NUL, and for each
 * dependency its kind and its code. Returns its id, or 0 when a dependency is
 * none; the package is gone then. */
Id binding_add(Repo *repo, const char *text, size_t size)
{
	Pool *pool = repo->pool;
	Id package = repo_add_solvable(repo), self;
	Solvable *s = pool_id2solvable(pool, package);
	const char *end = text + size;

	s->name = pool_str2id(pool, text, 1);
	text = after(text);
	s->evr = pool_str2id(pool, text, 1);
	text = after(text);
	s->arch = pool_str2id(pool, text, 1);
	text = after(text);
	while (text < end) {
		Offset *list = list_of(s, *text++);
		Id id = dependency(pool, &text);
		if (!id || !list) {
			repo_free_solvable(repo, package, 1);
			return 0;
		}
		*list = repo_addid_dep(repo, *list, id, 0);
	}
	/* Packages provide themselves, whether or not their metadata says so. */
	self = pool_rel2id(pool, s->name, s->evr, REL_EQ, 1);
	if (s->arch != ARCH_SRC && s->arch != ARCH_NOSRC)
		s->provides = repo_addid_dep(repo, s->provides, self, 0);
	return package;
}

void binding_provide(Repo *repo, Id package, const char *path)
{
	Solvable *s = pool_id2solvable(repo->pool, package);
	s->provides = repo_addid_dep(repo, s->provides, pool_str2id(repo->pool, path, 1), 0);
}

/* Makes the pool ready for questions, without the excluded packages. Ids are
 * kept. File provides are explicit, so that there is nothing to search for. */
void binding_prepare(Pool *pool, const Id *excluded, int count)
{
	int i;
	forget_excluded(pool);
	if (count) {
		pool->considered = solv_calloc(1, sizeof(Map));
		map_init(pool->considered, pool->nsolvables);
		map_setall(pool->considered);
		for (i = 0; i < count; i++)
			MAPCLR(pool->considered, excluded[i]);
	}
	pool_addfileprovides(pool);
	pool_createwhatprovides(pool);
}

/* The packages that provide dep, ended by 0; libsolv's own, until the next call. */
const Id *binding_providers(Pool *pool, Id dep)
{
	return pool_whatprovides_ptr(pool, dep);
}

Id binding_one_of(Pool *pool, const Id *packages, int count)
{
	return pool_ids2whatprovides(pool, (Id *)packages, count);
}

/* A solver with dnf's settings. */
Solver *binding_solver(Pool *pool, int weak)
{
	Solver *solver = solver_create(pool);
	solver_set_flag(solver, SOLVER_FLAG_ALLOW_VENDORCHANGE, 1);
	solver_set_flag(solver, SOLVER_FLAG_KEEP_ORPHANS, 1);
	solver_set_flag(solver, SOLVER_FLAG_BEST_OBEY_POLICY, 1);
	solver_set_flag(solver, SOLVER_FLAG_YUM_OBSOLETES, 1);
	solver_set_flag(solver, SOLVER_FLAG_URPM_REORDER, 1);
	solver_set_flag(solver, SOLVER_FLAG_IGNORE_RECOMMENDED, !weak);
	return solver;
}

/* Returns the number of problems. */
int binding_solve(Solver *solver, const Id *job, int count)
{
	Queue q;
	int problems;
	queue_init(&q);
	queue_insertn(&q, 0, count, job);
	problems = solver_solve(solver, &q);
	queue_free(&q);
	return problems;
}

static IdArray array_of(Queue *q)
{
	IdArray array = { NULL, q->count };
	if (q->count)
		array.ids = solv_memdup2(q->elements, q->count, sizeof(Id));
	queue_free(q);
	return array;
}

IdArray binding_installed(Solver *solver)
{
	Transaction *transaction = solver_create_transaction(solver);
	Queue q;
	queue_init(&q);
	transaction_installedresult(transaction, &q);
	transaction_free(transaction);
	return array_of(&q);
}

/* The rules that contradict one another in a problem: type, source, target and
 * dependency of each. */
IdArray binding_rules(Solver *solver, Id problem)
{
	Queue rules, q;
	int i;
	queue_init(&rules);
	queue_init(&q);
	solver_findallproblemrules(solver, problem, &rules);
	for (i = 0; i < rules.count; i++) {
		Id source, target, dep;
		SolverRuleinfo type = solver_ruleinfo(solver, rules.elements[i], &source, &target, &dep);
		queue_push2(&q, type, source);
		queue_push2(&q, target, dep);
	}
	queue_free(&rules);
	return array_of(&q);
}
