/* What Go needs of libsolv in calls that are few and flat. */
#ifndef DISTBOT_SOLV_BINDING_H
#define DISTBOT_SOLV_BINDING_H

#include <stddef.h>

#include <solv/pool.h>
#include <solv/poolarch.h>
#include <solv/problems.h>
#include <solv/queue.h>
#include <solv/repo.h>
#include <solv/rules.h>
#include <solv/solver.h>
#include <solv/solverdebug.h>
#include <solv/solvversion.h>
#include <solv/transaction.h>
#include <solv/util.h>

/* Dependencies come as code for a machine with a stack, in bytes: PUSH, a
 * comparison, name NUL version NUL is a plain one; libsolv's number of a relation
 * joins the last two; END ends. */
enum { BINDING_END, BINDING_PUSH, BINDING_STACK = 2048 };

#ifndef LIBSOLV_FEATURE_COMPLEX_DEPS
#error "libsolv is built without rich dependencies"
#endif

/* An array of ids that the caller frees with solv_free. */
typedef struct {
	Id *ids;
	int count;
} IdArray;

Pool *binding_pool(const char *arch);
void binding_close(Pool *pool);
int binding_compatible(Pool *pool, const char *arch);

Id binding_add(Repo *repo, const char *text, size_t size);
void binding_provide(Repo *repo, Id package, const char *path);
void binding_prepare(Pool *pool, const Id *excluded, int count);

Id binding_dependency(Pool *pool, const char *code);
const Id *binding_providers(Pool *pool, Id dep);
Id binding_one_of(Pool *pool, const Id *packages, int count);

Solver *binding_solver(Pool *pool, int weak);
int binding_solve(Solver *solver, const Id *job, int count);
IdArray binding_installed(Solver *solver);
IdArray binding_rules(Solver *solver, Id problem);

#endif
