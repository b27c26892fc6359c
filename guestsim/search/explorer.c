/* Every interleaving of recorded actors, on tables of numbers. docs/search.md explains the words.

A state is, for each actor, where it stands; then the contents of shared memory, and the rules'
history. Each of these is a number: contents are interned in pools, so that equal contents have equal
numbers, and a state is one short row of them. Where an actor stands is a node of its record; under
tso, a node with a store buffer.

A *stop* is a state with the actor whose turn it is: state * actors + actor. Stops are visited in order
of (preemptions, switches). At a stop the actor moves on without a switch: a chain of stops, one after
another. Behind the chain come its branches (store buffers that drain, other answers to a CHOOSE), then,
at a higher cost, the turns of other actors.

What a table lacks is asked for: `explorer_run` returns to its caller with a question, and tries the
same move again when it is called the next time. Until then nothing of that move has been noted. All
functions that can run out of memory leave by `leave`, and the explorer is only read after that. */

#include <setjmp.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

typedef uint8_t u8;
typedef uint32_t u32;
typedef uint64_t u64;

enum { LOAD, STORE, RMW, FENCE, SEND, UNMASK, WAIT, HALT, CHOOSE, ACT }; /* guestsim.trace.Kind */
enum { SPURIOUS = 2, CONSUME = 4, POLL = 16 };                     /* guestsim.trace.Flag */
enum { DONE, SLICE, ANSWER, JUDGEMENT, STATES, MEMORY };           /* what explorer_run returns */
enum { MOVED, ASLEEP, BLOCKED, HELD, ENDED };                      /* what a move comes to */
enum { SEEN = 1, ON_CHAIN = 2, YIELDS = 4, ENDS = 8, CHANGES = 16 }; /* marks */

#define NONE UINT32_MAX
#define STUCK (UINT32_MAX - 1)
#define END (UINT32_MAX - 2)
#define LIMIT ((1u << 27) - 1) /* items of a pool or list: what is left of a slot is a tag */
#define OUTCOMES 8
#define RULES 64

struct node {
    u8 kind, flags, outcome, unused; /* outcome: of a HALT; 0 where a budget ended the actor */
    u32 address, size;
    u32 next;   /* NONE where the answer says it, and after a HALT */
    u32 judged; /* the first of its views, plus one; 0: no rule sees it */
    u32 data;   /* STORE: where its bytes are in `data` */
    u64 value;  /* SEND, UNMASK, WAIT: the bits. CHOOSE: how many answers. FENCE: for the rules. */
};

struct config {
    u32 actors, tso, buffer, size, fields, rules;
    u32 preemptions; /* NONE: no bound */
    u32 pending, mask, selector, upcall, server; /* addresses: guestsim.trace.shared */
    u64 states, bytes; /* limits */
};

struct sighting {
    u32 stop, mover, answer, preemptions, switches, node;
};

struct facts {
    u64 states, transitions, memories, bytes, peak, waiting, visited, work;
    u64 value; /* of the question: an answer to it, or an event that is to be judged */
    u32 full, histories, actor, node, view, history, memory, unused;
};

struct block { /* ahead of everything that the explorer has allocated: a ring */
    struct block *last, *next;
    u64 size, unused;
};

struct pool { /* rows of equal width, each of them once */
    u32 width, count, slots;
    u8 *rows;
    u32 *slot; /* a row's number plus one, and five bits of its hash; 0 is empty */
};

struct list { /* of stops */
    u32 *stops, count;
};

struct levels { /* a list for each number of switches */
    struct list *lists;
    u32 count;
};

struct actor {
    struct node *nodes;
    u32 count;
};

struct view { /* what one rule is shown with one op: fields of memory, in `looks` */
    u32 rule, first, count;
    u32 more; /* the next view is of the same op */
};

struct judgement {
    u64 broken;
    u32 history, unused;
};

struct memo {
    struct pool questions; /* rows: view, the rule's history, value, contents of the fields */
    struct judgement *judgements;
};

struct explorer {
    struct config c;
    jmp_buf out;
    u32 movers; /* the actors; tso: then their store buffers */
    struct block blocks;
    u64 bytes, peak, transitions, waiting, visited, work;
    u32 full;

    struct actor *actors;
    u8 *data;
    u32 data_count;
    struct pool answers; /* (actor, node, value) */
    u32 *answer;         /* the node that each leads to */

    u32 *start, *extent; /* of each field of shared memory */
    u32 *field_at;       /* of each address */
    struct pool *contents; /* of each field */
    struct pool memories;  /* rows: the number of each field's contents */
    struct pool *buffers;  /* by how many stores they hold; rows: their nodes, oldest first */
    struct pool places;    /* rows: node; tso: how many stores are in the buffer, and its number */

    struct view *views;
    u32 view_count;
    u32 *looks;
    u32 look_count;
    struct memo *memos;    /* of judgements, by how many fields they look at */
    struct pool histories; /* rows: of each rule, the number of its history */

    struct pool states;
    u32 *moves;   /* [state][mover]: the state that it leads to, or NONE, STUCK, END */
    u32 *parents; /* [stop]: the stop from which it was reached first */
    u8 *marks;    /* [stop]; ENDS and CHANGES at a state's first stop */

    u32 at, branching, branch, passing, other, begun; /* what is being done */
    u32 next_branch; /* of `branches` */
    struct list chain, branches, turns;
    struct levels now, later; /* turns that wait: with no preemption more, with one more */
    u32 preemptions, switches;

    struct facts question;
    struct sighting seeing; /* the move that is being made */
    struct sighting outcomes[OUTCOMES], rules[RULES];
    u32 *key, *memory, *buffer, *history, *row; /* scratch */
    u8 *bytes_of_field;
};

/* -- memory ------------------------------------------------------------------------------------ */

static void leave(struct explorer *e, int why) { longjmp(e->out, why); }

static void unlink(struct explorer *e, struct block *block) {
    block->last->next = block->next;
    block->next->last = block->last;
    e->bytes -= block->size;
    free(block);
}

/* `items`, which may be NULL, with another size. */
static void *resize(struct explorer *e, void *items, u64 size) {
    struct block *old = items ? (struct block *)items - 1 : NULL;
    u64 before = old ? old->size : 0;
    if (e->c.bytes && e->bytes - before + size > e->c.bytes) leave(e, MEMORY);
    struct block *made = realloc(old, sizeof *made + size);
    if (!made) leave(e, MEMORY);
    if (!old) made->last = &e->blocks, made->next = e->blocks.next;
    made->last->next = made->next->last = made;
    made->size = size;
    e->bytes += size - before;
    if (e->bytes > e->peak) e->peak = e->bytes;
    return made + 1;
}

static void *zeros(struct explorer *e, u64 count, u64 width) {
    void *made = resize(e, NULL, count * width);
    return memset(made, 0, count * width);
}

static void *dropped(struct explorer *e, void *items) {
    if (items) unlink(e, (struct block *)items - 1);
    return NULL;
}

/* `items` with room for one more. */
static void *grown(struct explorer *e, void *items, u64 count, u64 width) {
    if (items && (count + 1) * width <= ((struct block *)items - 1)->size) return items;
    if (count >= LIMIT) leave(e, MEMORY);
    return resize(e, items, (count + count / 16 + 4) * width);
}

static u64 hash_of(const u8 *row, u32 width) {
    u64 hash = width, word;
    for (; width >= 8; row += 8, width -= 8) {
        memcpy(&word, row, 8);
        hash = (hash ^ word) * 0x9e3779b97f4a7c15u;
        hash ^= hash >> 29;
    }
    if (width) {
        word = 0;
        memcpy(&word, row, width);
        hash = (hash ^ word) * 0x9e3779b97f4a7c15u;
        hash ^= hash >> 29;
    }
    return hash * 0xbf58476d1ce4e5b9u;
}

static const u8 *row_of(const struct pool *p, u32 number) { return p->rows + (u64)number * p->width; }

static u32 slot_of(const struct pool *p, u64 hash) { return (u32)((hash >> 32) * p->slots >> 32); }

static u32 tagged(u64 hash, u32 number) { return (u32)(hash & 31) << 27 | (number + 1); }

/* The number of a row, NONE where it is not there; `slot`: where it is or belongs. */
static u32 find_hashed(const struct pool *p, const void *row, u64 hash, u32 *slot) {
    if (!p->slots) return NONE;
    u32 at = slot_of(p, hash), tag = tagged(hash, 0) >> 27, entry;
    for (; (entry = p->slot[at]); at = at + 1 == p->slots ? 0 : at + 1)
        if (entry >> 27 == tag && !memcmp(row_of(p, (entry & LIMIT) - 1), row, p->width)) break;
    *slot = at;
    return entry ? (entry & LIMIT) - 1 : NONE;
}

static u32 find(const struct pool *p, const void *row) {
    u32 slot;
    return find_hashed(p, row, hash_of(row, p->width), &slot);
}

static void more_slots(struct explorer *e, struct pool *p) {
    u64 more = (u64)p->slots + p->slots / 2 + 8;
    p->slot = dropped(e, p->slot);
    p->slots = 0;
    p->slot = zeros(e, more, sizeof *p->slot);
    p->slots = (u32)more;
    for (u32 number = 0; number < p->count; number++) {
        u64 hash = hash_of(row_of(p, number), p->width);
        u32 at = slot_of(p, hash);
        while (p->slot[at]) at = at + 1 == p->slots ? 0 : at + 1;
        p->slot[at] = tagged(hash, number);
    }
}

static u32 intern(struct explorer *e, struct pool *p, const void *row) {
    u64 hash = hash_of(row, p->width);
    u32 slot = 0, known = find_hashed(p, row, hash, &slot);
    if (known != NONE) return known;
    if (3 * ((u64)p->count + 1) > 2 * (u64)p->slots) {
        more_slots(e, p);
        find_hashed(p, row, hash, &slot);
    }
    p->rows = grown(e, p->rows, p->count, p->width);
    memcpy(p->rows + (u64)p->count * p->width, row, p->width);
    p->slot[slot] = tagged(hash, p->count);
    return p->count++;
}

/* -- shared memory and store buffers ----------------------------------------------------------- */

static const u32 *memory_of(const struct explorer *e, u32 memory) {
    return (const u32 *)row_of(&e->memories, memory);
}

static u64 load(const struct explorer *e, const u32 *memory, u32 address, u32 size) {
    u64 value = 0;
    if (!size) return 0;
    u32 field = e->field_at[address], offset = address - e->start[field];
    if (offset + size <= e->extent[field]) {
        memcpy(&value, row_of(&e->contents[field], memory[field]) + offset, size);
        return value;
    }
    for (u32 i = 0; i < size; i++) value |= load(e, memory, address + i, 1) << 8 * i;
    return value;
}

/* Into `memory`, a row of its own. */
static void store(struct explorer *e, u32 *memory, u32 address, u32 size, const u8 *bytes) {
    while (size) {
        u32 field = e->field_at[address], offset = address - e->start[field];
        u32 part = e->extent[field] - offset < size ? e->extent[field] - offset : size;
        const u8 *old = row_of(&e->contents[field], memory[field]);
        if (memcmp(old + offset, bytes, part)) {
            memcpy(e->bytes_of_field, old, e->extent[field]);
            memcpy(e->bytes_of_field + offset, bytes, part);
            memory[field] = intern(e, &e->contents[field], e->bytes_of_field);
        }
        address += part, bytes += part, size -= part;
    }
}

static void store_word(struct explorer *e, u32 *memory, u32 address, u32 size, u64 value) {
    u8 bytes[8];
    memcpy(bytes, &value, 8);
    store(e, memory, address, size, bytes);
}

/* An event of the guest that is not masked becomes pending: guestsim.trace.shared. */
static void raise(struct explorer *e, u32 *memory, const struct node *op) {
    if (load(e, memory, op->address - e->c.pending + e->c.mask, op->size) & op->value) return;
    u64 selector = load(e, memory, e->c.selector, 4);
    u64 bit = 1ull << (op->address - e->c.pending) / 4 % 32;
    if (selector & bit) return;
    store_word(e, memory, e->c.selector, 4, selector | bit);
    store_word(e, memory, e->c.upcall, 1, 1);
}

static void send(struct explorer *e, u32 *memory, const struct node *op) {
    u64 bits = load(e, memory, op->address, op->size);
    if ((bits & op->value) == op->value) return;
    store_word(e, memory, op->address, op->size, bits | op->value);
    if (op->address < e->c.server) raise(e, memory, op);
}

static void unmask(struct explorer *e, u32 *memory, const struct node *op) {
    u32 mask = op->address - e->c.pending + e->c.mask;
    u64 bits = load(e, memory, mask, op->size);
    if (!(bits & op->value)) return;
    store_word(e, memory, mask, op->size, bits & ~op->value);
    if (load(e, memory, op->address, op->size) & op->value) raise(e, memory, op);
}

static const u32 *state_of(const struct explorer *e, u32 state) {
    return (const u32 *)row_of(&e->states, state);
}

static const u32 *place_of(const struct explorer *e, u32 state, u32 actor) {
    return (const u32 *)row_of(&e->places, state_of(e, state)[actor]);
}

static u32 node_at(const struct explorer *e, u32 state, u32 actor) {
    return e->c.tso ? place_of(e, state, actor)[0] : state_of(e, state)[actor];
}

static u32 buffered(const struct explorer *e, u32 state, u32 actor) {
    return e->c.tso ? place_of(e, state, actor)[1] : 0;
}

/* The nodes of the stores in the actor's buffer. */
static const u32 *buffer_of(const struct explorer *e, u32 state, u32 actor) {
    const u32 *place = place_of(e, state, actor);
    return (const u32 *)row_of(&e->buffers[place[1]], place[2]);
}

/* Where an actor stands that has come to `node`, with `count` stores in e->buffer. Stores enter the
buffer at once, which nobody can see. */
static u32 place_at(struct explorer *e, u32 actor, u32 node, u32 count) {
    if (!e->c.tso) return node;
    const struct node *nodes = e->actors[actor].nodes;
    for (; nodes[node].kind == STORE && count < e->c.buffer; node = nodes[node].next)
        e->buffer[count++] = node;
    if (nodes[node].kind == STORE) e->full = 1;
    u32 place[3] = {node, count, count ? intern(e, &e->buffers[count], e->buffer) : 0};
    return intern(e, &e->places, place);
}

/* -- moves ------------------------------------------------------------------------------------- */

static u32 answer_of(struct explorer *e, u32 actor, u32 node, u64 value) {
    u32 row[4] = {actor, node, (u32)value, (u32)(value >> 32)};
    u32 known = find(&e->answers, row);
    if (known != NONE) return e->answer[known];
    e->question.actor = actor, e->question.node = node, e->question.value = value;
    leave(e, ANSWER);
    return NONE;
}

static void see(struct sighting *first, const struct explorer *e) {
    if (first->stop == NONE) *first = e->seeing;
}

/* Show an op to the rules, with shared memory as it is before it: their histories after it. */
static u32 judge(struct explorer *e, const struct node *op, u64 value, u32 memory, u32 histories) {
    if (!op->judged) return histories;
    u32 *after = e->history, *row = e->row, number = op->judged - 1;
    const struct view *view;
    memcpy(after, row_of(&e->histories, histories), e->histories.width);
    do {
        view = &e->views[number];
        row[0] = number, row[1] = after[view->rule], row[2] = (u32)value, row[3] = (u32)(value >> 32);
        for (u32 i = 0; i < view->count; i++)
            row[4 + i] = memory_of(e, memory)[e->looks[view->first + i]];
        const struct memo *memo = &e->memos[view->count];
        u32 known = find(&memo->questions, row);
        if (known == NONE) {
            e->question.view = number, e->question.history = row[1];
            e->question.memory = memory, e->question.value = value;
            leave(e, JUDGEMENT);
        }
        const struct judgement *found = &memo->judgements[known];
        after[view->rule] = found->history;
        for (u32 rule = 0; rule < RULES && found->broken >> rule; rule++)
            if (found->broken >> rule & 1) see(&e->rules[rule], e);
        number++;
    } while (view->more);
    return intern(e, &e->histories, after);
}

/* What the actor's op does to e->key, the state's row. `answer`: to a CHOOSE. */
static int step(struct explorer *e, u32 state, u32 actor, u32 answer) {
    u32 *key = e->key, *to = &key[e->c.actors], *history = to + 1;
    u32 at = node_at(e, state, actor), waiting = buffered(e, state, actor), next;
    const struct node *op = &e->actors[actor].nodes[at], *half = NULL;
    const u32 *memory = memory_of(e, *to);
    u64 bits = 0, value = 0;
    int result = MOVED;

    if (op->kind == WAIT) bits = load(e, memory, op->address, op->size);
    if (waiting && op->kind != LOAD && op->kind != CHOOSE) {
        /* A wait whose event is not there sleeps, even if it has to wait for the buffer first. */
        if (op->kind == WAIT && !(bits & op->value) && !(op->flags & POLL)) return BLOCKED;
        return HELD;
    }
    switch (op->kind) {
    case LOAD:
        value = load(e, memory, op->address, op->size);
        if (waiting) {
            const u32 *stores = buffer_of(e, state, actor);
            for (u32 i = 0; i < waiting; i++) {
                const struct node *own = &e->actors[actor].nodes[stores[i]];
                for (u32 k = 0; k < op->size; k++) {
                    u32 byte = op->address + k - own->address;
                    if (op->address + k < own->address || byte >= own->size) continue;
                    value &= ~(0xffull << 8 * k);
                    value |= (u64)e->data[own->data + byte] << 8 * k;
                }
            }
        }
        break;
    case RMW:
        value = load(e, memory, op->address, op->size);
        break;
    case SEND:
        value = (load(e, memory, op->address, op->size) & op->value) != op->value;
        break;
    case FENCE:
        value = op->value;
        break;
    case WAIT:
        value = (bits & op->value) != 0;
        if (!value && !(op->flags & SPURIOUS)) return BLOCKED;
        if (!value && !(op->flags & POLL)) result = ASLEEP;
        break;
    case CHOOSE:
        value = answer;
        break;
    }
    *history = judge(e, op, value, *to, *history);
    if (op->kind == HALT) return ENDED;
    next = op->next == NONE ? answer_of(e, actor, at, value) : op->next;
    if (op->kind == RMW) {
        half = &e->actors[actor].nodes[next];
        *history = judge(e, half, 0, *to, *history);
        next = half->next;
    }
    /* Nothing is asked for from here on. */
    if (op->kind == STORE || half || op->kind == SEND || op->kind == UNMASK ||
        (value && op->kind == WAIT && op->flags & CONSUME)) {
        memcpy(e->memory, memory, e->memories.width);
        if (half) op = half;
        if (op->kind == STORE) store(e, e->memory, op->address, op->size, e->data + op->data);
        else if (op->kind == SEND) send(e, e->memory, op);
        else if (op->kind == UNMASK) unmask(e, e->memory, op);
        else store_word(e, e->memory, op->address, op->size, bits & ~op->value);
        *to = intern(e, &e->memories, e->memory);
    }
    if (waiting) memcpy(e->buffer, buffer_of(e, state, actor), waiting * sizeof *e->buffer);
    key[actor] = place_at(e, actor, next, waiting);
    return result;
}

/* The oldest store of the actor's buffer reaches memory: e->key, as above. */
static int drain(struct explorer *e, u32 state, u32 actor) {
    u32 *key = e->key, *to = &key[e->c.actors], *history = to + 1;
    u32 count = buffered(e, state, actor);
    const u32 *stores = buffer_of(e, state, actor);
    const struct node *op = &e->actors[actor].nodes[stores[0]];
    *history = judge(e, op, 0, *to, *history);
    memcpy(e->buffer, stores + 1, (count - 1) * sizeof *stores);
    memcpy(e->memory, memory_of(e, *to), e->memories.width);
    store(e, e->memory, op->address, op->size, e->data + op->data);
    *to = intern(e, &e->memories, e->memory);
    key[actor] = place_at(e, actor, node_at(e, state, actor), count - 1);
    return MOVED;
}

static u32 answers_at(const struct explorer *e, u32 state, u32 actor) {
    const struct node *op = &e->actors[actor].nodes[node_at(e, state, actor)];
    return op->kind == CHOOSE ? (u32)op->value : 1;
}

/* There are so many ways on from a stop: the actor's own move, by each answer where it stands at a
CHOOSE; then, whoever's turn it is, what drains from each store buffer. */
static u32 ways_at(const struct explorer *e, u32 stop) {
    return answers_at(e, stop / e->c.actors, stop % e->c.actors) + e->movers - e->c.actors;
}

/* Where it is kept what one of them leads to; NULL for answers but the first. */
static u32 *move_at(const struct explorer *e, u32 stop, u32 way) {
    u32 state = stop / e->c.actors, actor = stop % e->c.actors, answers = answers_at(e, state, actor);
    u32 *moves = &e->moves[(u64)state * e->movers];
    return way == 0 ? moves + actor : way < answers ? NULL : moves + e->c.actors + way - answers;
}

/* Go one of them: e->key. */
static int make(struct explorer *e, u32 stop, u32 way) {
    u32 actors = e->c.actors, state = stop / actors, actor = stop % actors;
    u32 answers = answers_at(e, state, actor), drains = way >= answers;
    if (drains) actor = way - answers, way = 0;
    if (drains && !buffered(e, state, actor)) return HELD;
    memcpy(e->key, state_of(e, state), e->states.width);
    e->seeing = (struct sighting){
        stop, drains ? actors + actor : actor, way, e->preemptions, e->switches, node_at(e, state, actor),
    };
    return drains ? drain(e, state, actor) : step(e, state, actor, way);
}

/* Where it has led. */
static u32 made(struct explorer *e, u32 stop, u32 way) {
    const u32 *known = move_at(e, stop, way);
    if (known) return *known;
    make(e, stop, way);
    return find(&e->states, e->key);
}

/* -- the search -------------------------------------------------------------------------------- */

/* The number of the state e->key. */
static u32 add_state(struct explorer *e) {
    u32 known = e->states.count, state = intern(e, &e->states, e->key);
    if (state < known) return state;
    u64 first = (u64)state * e->c.actors, actors = e->c.actors;
    e->moves = grown(e, e->moves, state, e->movers * sizeof *e->moves);
    e->parents = grown(e, e->parents, state, actors * sizeof *e->parents);
    e->marks = grown(e, e->marks, state, actors);
    memset(e->moves + (u64)state * e->movers, 0xff, e->movers * sizeof *e->moves);
    memset(e->parents + first, 0xff, actors * sizeof *e->parents);
    memset(e->marks + first, 0, actors);
    if (first + actors > LIMIT) leave(e, MEMORY);
    if (state >= e->c.states) leave(e, STATES);
    return state;
}

static void append(struct explorer *e, struct list *list, u32 stop) {
    list->stops = grown(e, list->stops, list->count, sizeof *list->stops);
    list->stops[list->count++] = stop;
}

static struct list *level(struct explorer *e, struct levels *levels, u32 switches) {
    while (levels->count <= switches) {
        levels->lists = grown(e, levels->lists, levels->count, sizeof *levels->lists);
        levels->lists[levels->count++] = (struct list){NULL, 0};
    }
    return &levels->lists[switches];
}

/* The turn may pass to another at `stop`, which costs a switch, and a preemption unless it yields. */
static void may_pass(struct explorer *e, u32 stop) {
    u32 first = stop - stop % e->c.actors, other = first;
    while (other < first + e->c.actors && e->marks[other]) other++;
    if (other == first + e->c.actors) return;
    int yields = e->marks[stop] & YIELDS;
    if (!yields && e->preemptions == e->c.preemptions) return;
    append(e, level(e, yields ? &e->now : &e->later, e->switches + 1), stop);
    e->waiting++;
}

static int has_branches(const struct explorer *e, u32 stop) {
    u32 state = stop / e->c.actors;
    if (answers_at(e, state, stop % e->c.actors) > 1) return 1;
    for (u32 actor = 0; actor < e->c.actors; actor++)
        if (buffered(e, state, actor)) return 1;
    return 0;
}

static void end_chain(struct explorer *e) {
    for (u32 i = 0; i < e->chain.count; i++) {
        u32 stop = e->chain.stops[i];
        e->marks[stop] &= (u8)~ON_CHAIN;
        if (has_branches(e, stop)) append(e, &e->branches, stop);
        else may_pass(e, stop);
    }
    e->chain.count = 0;
    e->at = NONE;
}

/* The chain has come back to `stop`. Without a sleep on the way, the actor spins there: it yields. */
static void spin(struct explorer *e, u32 stop) {
    u32 first = e->chain.count - 1;
    while (e->chain.stops[first] != stop) first--;
    for (u32 i = first; i < e->chain.count; i++)
        if (e->marks[e->chain.stops[i]] & YIELDS) return;
    for (u32 i = first; i < e->chain.count; i++) e->marks[e->chain.stops[i]] |= YIELDS;
}

/* The actor's own move at the stop e->at, then on to the next stop of the chain. */
static void walk(struct explorer *e) {
    u32 stop = e->at, actor = stop % e->c.actors, then = STUCK;
    int result = make(e, stop, 0);
    append(e, &e->chain, stop);
    e->marks[stop] |= SEEN | ON_CHAIN | (result == ASLEEP || result == BLOCKED ? YIELDS : 0);
    e->visited++;
    if (result == ENDED) {
        then = END;
        see(&e->outcomes[e->actors[actor].nodes[e->seeing.node].outcome], e);
    } else if (result == MOVED || result == ASLEEP) then = add_state(e);
    *move_at(e, stop, 0) = then;
    e->transitions += then != STUCK;
    if (then < END) {
        u32 after = then * e->c.actors + actor;
        if (!e->marks[after]) {
            e->parents[after] = stop;
            e->at = after;
            return;
        }
        if (e->marks[after] & ON_CHAIN) spin(e, after);
    }
    end_chain(e);
}

/* The next way on from the stop e->branching that is not the walk's. */
static void branch(struct explorer *e) {
    u32 actors = e->c.actors, stop = e->branching, actor = stop % actors;
    if (e->branch == ways_at(e, stop)) {
        may_pass(e, stop);
        e->branching = NONE;
        return;
    }
    /* What drains is the same move whoever's turn it is. */
    const u32 *known = move_at(e, stop, e->branch);
    u32 then = known ? *known : NONE;
    if (then == NONE) {
        then = make(e, stop, e->branch) == HELD ? STUCK : add_state(e);
        e->transitions += then != STUCK;
        if (known) *move_at(e, stop, e->branch) = then;
    }
    e->branch++;
    u32 after = then * actors + actor;
    if (then == STUCK || e->marks[after]) return;
    e->parents[after] = stop;
    e->at = after;
}

/* The next cost at which somebody's turn waits; 0 where there is none. */
static int next_cost(struct explorer *e) {
    e->turns.stops = dropped(e, e->turns.stops);
    e->turns.count = 0;
    for (;;) {
        while (++e->switches < e->now.count) {
            if (!e->now.lists[e->switches].count) continue;
            e->turns = e->now.lists[e->switches];
            e->now.lists[e->switches] = (struct list){NULL, 0};
            return 1;
        }
        if (!e->later.count) return 0;
        struct levels spent = e->now;
        e->now = e->later;
        e->later = spent;
        e->later.count = 0;
        e->preemptions++;
        e->switches = 0; /* nothing waits there: a turn that passes is a switch */
    }
}

/* One piece of work; 0 where everything is done. */
static int work(struct explorer *e) {
    u32 actors = e->c.actors;
    if (e->at != NONE) walk(e);
    else if (e->branching != NONE) branch(e);
    else if (e->next_branch < e->branches.count) {
        e->branching = e->branches.stops[e->next_branch++];
        e->branch = 1;
        if (e->next_branch == e->branches.count) e->next_branch = e->branches.count = 0;
    } else if (e->begun < actors) {
        if (!e->marks[e->begun]) e->at = e->begun;
        e->begun++;
    } else if (e->passing != NONE) {
        u32 stop = e->passing - e->passing % actors + e->other++;
        if (!e->marks[stop]) {
            e->parents[stop] = e->passing;
            e->at = stop;
        }
        if (e->other == actors) e->passing = NONE;
    } else if (e->turns.count) {
        e->passing = e->turns.stops[--e->turns.count];
        e->other = 0;
        e->waiting--;
    } else return next_cost(e);
    return 1;
}

/* -- what Python calls ------------------------------------------------------------------------- */

#define GUARD(e) do { int why = setjmp((e)->out); if (why) return why; } while (0)

void explorer_free(struct explorer *e) {
    if (!e) return;
    while (e->blocks.next != &e->blocks) unlink(e, e->blocks.next);
    free(e);
}

static int set_up(struct explorer *e) {
    GUARD(e);
    e->movers = e->c.tso ? 2 * e->c.actors : e->c.actors;
    e->states.width = (e->c.actors + 2) * 4;
    e->answers.width = 16;
    e->memories.width = e->c.fields * 4;
    e->buffers = zeros(e, e->c.buffer + 1, sizeof *e->buffers);
    for (u32 i = 0; i <= e->c.buffer; i++) e->buffers[i].width = 4 * i;
    e->places.width = 12;
    e->histories.width = 4 * e->c.rules;
    e->memos = zeros(e, e->c.fields + 1, sizeof *e->memos);
    for (u32 i = 0; i <= e->c.fields; i++) e->memos[i].questions.width = 16 + 4 * i;
    e->actors = zeros(e, e->c.actors, sizeof *e->actors);
    e->start = zeros(e, e->c.fields, 4);
    e->extent = zeros(e, e->c.fields, 4);
    e->field_at = zeros(e, e->c.size, 4);
    e->contents = zeros(e, e->c.fields, sizeof *e->contents);
    e->key = zeros(e, e->states.width, 1);
    e->memory = zeros(e, e->memories.width, 1);
    e->buffer = zeros(e, e->c.buffer + 1, 4);
    e->history = zeros(e, e->c.rules, 4);
    e->row = zeros(e, 16 + e->c.fields * 4, 1);
    e->bytes_of_field = zeros(e, e->c.size, 1);
    e->at = e->branching = e->passing = NONE;
    for (u32 i = 0; i < OUTCOMES; i++) e->outcomes[i].stop = NONE;
    for (u32 i = 0; i < RULES; i++) e->rules[i].stop = NONE;
    return DONE;
}

/* NULL where there is not enough memory. */
struct explorer *explorer_new(const struct config *config) {
    struct explorer *e = calloc(1, sizeof *e);
    if (!e) return NULL;
    e->c = *config;
    e->blocks.last = e->blocks.next = &e->blocks;
    if (set_up(e) == DONE) return e;
    explorer_free(e);
    return NULL;
}

/* Nodes that an actor's record has got, and the bytes of their stores (behind those of all others). */
int explorer_add_nodes(struct explorer *e, u32 actor, const struct node *nodes, u32 count, const u8 *data, u32 length) {
    GUARD(e);
    if (actor >= e->c.actors) return -1;
    struct actor *a = &e->actors[actor];
    for (u32 i = 0; i < length; i++) {
        e->data = grown(e, e->data, e->data_count, 1);
        e->data[e->data_count++] = data[i];
    }
    for (u32 i = 0; i < count; i++) {
        const struct node *op = &nodes[i];
        int event = op->kind == SEND || op->kind == UNMASK;
        int word = op->kind == LOAD || op->kind == RMW || op->kind == WAIT || event;
        int asks = op->kind == LOAD || op->kind == RMW || op->kind == WAIT || op->kind == CHOOSE;
        if (op->kind > ACT || op->outcome >= OUTCOMES || op->judged > e->view_count) return -1;
        if (op->size > e->c.size || op->address > e->c.size - op->size) return -1;
        if (word && op->size > 8) return -1;
        if (op->kind == STORE && (op->data > e->data_count || op->size > e->data_count - op->data)) return -1;
        if (op->kind == UNMASK || (op->kind == SEND && op->address < e->c.server))
            if (op->address < e->c.pending || op->address - e->c.pending >= 128) return -1;
        if (op->kind == CHOOSE && (op->value < 2 || op->value > LIMIT)) return -1;
        if (asks || op->kind == HALT ? op->next != NONE : op->next >= a->count) return -1;
        a->nodes = grown(e, a->nodes, a->count, sizeof *a->nodes);
        a->nodes[a->count++] = *op;
    }
    return 0;
}

int explorer_answer(struct explorer *e, u32 actor, u32 node, u64 value, u32 next) {
    GUARD(e);
    if (actor >= e->c.actors || node >= e->actors[actor].count || next >= e->actors[actor].count) return -1;
    const struct node *op = &e->actors[actor].nodes[node], *half = &e->actors[actor].nodes[next];
    if (op->next != NONE || op->kind == HALT) return -1;
    if (op->kind == RMW && half->kind != STORE) return -1;
    u32 row[4] = {actor, node, (u32)value, (u32)(value >> 32)};
    e->answer = grown(e, e->answer, e->answers.count, sizeof *e->answer);
    u32 number = intern(e, &e->answers, row);
    e->answer[number] = next;
    return 0;
}

/* What a rule is shown with an op; `more`: the next view is of the same op. */
int explorer_add_view(struct explorer *e, u32 rule, u32 more, const u32 *fields, u32 count) {
    GUARD(e);
    if (rule >= e->c.rules || count > e->c.fields) return -1;
    e->views = grown(e, e->views, e->view_count, sizeof *e->views);
    e->views[e->view_count++] = (struct view){rule, e->look_count, count, more};
    for (u32 i = 0; i < count; i++) {
        if (fields[i] >= e->c.fields) return -1;
        e->looks = grown(e, e->looks, e->look_count, sizeof *e->looks);
        e->looks[e->look_count++] = fields[i];
    }
    return 0;
}

/* The answer to the last question of that kind: e->row still has it. */
int explorer_judge(struct explorer *e, u32 history, u64 broken) {
    GUARD(e);
    struct memo *memo = &e->memos[e->views[e->row[0]].count];
    memo->judgements = grown(e, memo->judgements, memo->questions.count, sizeof *memo->judgements);
    u32 number = intern(e, &memo->questions, e->row);
    memo->judgements[number] = (struct judgement){broken, history, 0};
    return 0;
}

/* Where the search begins: shared memory, the first address of each of its fields, in order, and each
actor's node. */
int explorer_begin(struct explorer *e, const u8 *memory, const u32 *starts, const u32 *nodes) {
    GUARD(e);
    for (u32 i = 0; i < e->c.fields; i++) {
        u32 end = i + 1 < e->c.fields ? starts[i + 1] : e->c.size;
        if ((i == 0 && starts[0]) || end <= starts[i] || end > e->c.size) return -1;
        e->start[i] = starts[i];
        e->extent[i] = e->contents[i].width = end - starts[i];
        for (u32 at = starts[i]; at < end; at++) e->field_at[at] = i;
        e->memory[i] = intern(e, &e->contents[i], memory + starts[i]);
    }
    for (u32 actor = 0; actor < e->c.actors; actor++) {
        if (nodes[actor] >= e->actors[actor].count) return -1;
        e->key[actor] = place_at(e, actor, nodes[actor], 0);
    }
    e->key[e->c.actors] = intern(e, &e->memories, e->memory);
    e->key[e->c.actors + 1] = e->c.rules ? intern(e, &e->histories, e->history) : 0;
    add_state(e);
    return 0;
}

/* Explore, until so many pieces of work are done. */
int explorer_run(struct explorer *e, u64 until) {
    GUARD(e);
    for (; e->work < until; e->work++)
        if (!work(e)) return DONE;
    return SLICE;
}

/* Mark states from which the execution can end (ENDS), or in which or behind which anything can still
change (CHANGES: memory, a buffer, an end, a choice). The number of states that were newly marked in
this sweep: call it until there are none. Numbers rise or fall along most ways, so sweeps are few. */
int explorer_sweep(struct explorer *e, u32 mark, u32 down, u64 *found) {
    GUARD(e);
    u32 actors = e->c.actors;
    *found = 0;
    for (u32 i = 0; i < e->states.count; i++) {
        u32 state = down ? e->states.count - 1 - i : i, hit = 0;
        u8 *marks = &e->marks[(u64)state * actors];
        if (marks[0] & mark) continue;
        for (u32 actor = 0; actor < actors && !hit; actor++) {
            u32 stop = state * actors + actor, ways = ways_at(e, stop);
            if (!(marks[actor] & SEEN)) hit = 1; /* beyond a bound: who knows */
            if (mark == CHANGES && (buffered(e, state, actor) || answers_at(e, state, actor) > 1)) hit = 1;
            for (u32 way = 0; way < ways && !hit; way++) {
                u32 then = made(e, stop, way);
                hit = then == END;
                if (then >= END) continue;
                if (e->marks[(u64)then * actors] & mark) hit = 1;
                if (mark == CHANGES && state_of(e, then)[actors] != state_of(e, state)[actors]) hit = 1;
            }
        }
        if (hit) marks[0] |= (u8)mark, ++*found;
    }
    return 0;
}

/* The first state from `first` on without the mark; NONE: all have it. */
u32 explorer_unmarked(const struct explorer *e, u32 mark, u32 first) {
    for (; first < e->states.count; first++)
        if (!(e->marks[(u64)first * e->c.actors] & mark)) return first;
    return NONE;
}

/* How it went on from `stop` to the state `then`: who moved, and by which answer. */
int explorer_edge(struct explorer *e, u32 stop, u32 then, u32 *mover, u32 *answer) {
    GUARD(e);
    for (u32 way = 0; way < ways_at(e, stop); way++) {
        if (made(e, stop, way) != then) continue;
        u32 answers = answers_at(e, stop / e->c.actors, stop % e->c.actors);
        *mover = way < answers ? stop % e->c.actors : e->c.actors + way - answers;
        *answer = way < answers ? way : 0;
        return 0;
    }
    return -1;
}

u32 explorer_parent(const struct explorer *e, u32 stop) { return e->parents[stop]; }

/* A state: each actor's node, memory, the rules' histories. */
void explorer_state(const struct explorer *e, u32 state, u32 *nodes, u32 *memory, u32 *histories) {
    const u32 *key = state_of(e, state);
    for (u32 actor = 0; actor < e->c.actors; actor++) nodes[actor] = node_at(e, state, actor);
    *memory = key[e->c.actors];
    if (e->c.rules) memcpy(histories, row_of(&e->histories, key[e->c.actors + 1]), e->histories.width);
}

/* To `counts`, one for each of the actor's nodes, add the states in which it stands there. In how many its
store buffer is not empty. */
u64 explorer_stands(const struct explorer *e, u32 actor, u64 *counts) {
    u64 waiting = 0;
    for (u32 state = 0; state < e->states.count; state++) {
        counts[node_at(e, state, actor)]++;
        waiting += buffered(e, state, actor) > 0;
    }
    return waiting;
}

/* The contents of shared memory. */
void explorer_read(const struct explorer *e, u32 memory, u8 *out) {
    for (u32 i = 0; i < e->c.fields; i++)
        memcpy(out + e->start[i], row_of(&e->contents[i], memory_of(e, memory)[i]), e->extent[i]);
}

/* The first sighting of an outcome, or of a rule that is broken; stop NONE: never. */
void explorer_seen(const struct explorer *e, u32 rule, u32 number, struct sighting *out) {
    *out = rule ? e->rules[number % RULES] : e->outcomes[number % OUTCOMES];
}

void explorer_facts(const struct explorer *e, struct facts *out) {
    *out = e->question;
    out->states = e->states.count;
    out->transitions = e->transitions;
    out->memories = e->memories.count;
    out->bytes = e->bytes, out->peak = e->peak;
    out->waiting = e->waiting, out->visited = e->visited, out->work = e->work;
    out->full = e->full;
    out->histories = e->histories.count;
}
