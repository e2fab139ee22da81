/*
 * names.c -- a hash table from pointers (interned names) to pointers.
 *
 * Open addressing, doubled at half full; the old table stays in the arena.
 */
#include "sema/elab.h"

static uint32_t slot_of(const Names *t, const void *key)
{
    uint64_t h = (uint64_t)(uintptr_t)key * 0x9e3779b97f4a7c15u;
    uint32_t k = (uint32_t)(h >> 32) & (t->cap - 1);

    while (t->key[k] && t->key[k] != key)
        k = (k + 1) & (t->cap - 1);
    return k;
}

void *names_get(const Names *t, const void *key)
{
    return t->cap ? t->value[slot_of(t, key)] : NULL;
}

static void grow(Arena *a, Names *t)
{
    Names old = *t;

    t->cap = old.cap ? 2 * old.cap : 32;
    t->key = NEW_N(a, const void *, t->cap);
    t->value = NEW_N(a, void *, t->cap);
    for (uint32_t k = 0; k < old.cap; k++) {
        if (old.key[k] == NULL)
            continue;
        uint32_t to = slot_of(t, old.key[k]);
        t->key[to] = old.key[k];
        t->value[to] = old.value[k];
    }
}

void names_put(Arena *a, Names *t, const void *key, void *value)
{
    if (2 * (t->n + 1) > t->cap)
        grow(a, t);
    uint32_t k = slot_of(t, key);
    t->n += t->key[k] == NULL;
    t->key[k] = key;
    t->value[k] = value;
}
