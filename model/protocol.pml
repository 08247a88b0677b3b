/* The protocol of one key (docs/protocol.md), for Spin. scripts/model.mjs runs every configuration.
 *
 * One record in a store whose steps are atomic. Executors claim, may stop for any time between any two steps, crash,
 * and never learn an answer that got lost. Every message that was ever sent may arrive at any time after, any number of
 * times. The local deadline (rule 6) and fingerprints are left out: safety must not rest on the first, and only equal
 * payloads are asked here.
 *
 * Policy       FAIL, else rerun
 * Bounds       N executors, GRANTS claims granted in all, MAX attempts
 * May happen   EXPIRY  the retention ends (once), OPERATOR  cancel, resolve, purge (ACTS in all),
 *              LOSSY   the store may forget a row (LOSSES in all): a complete resurrects an absent one,
 *              CLOCKBACK  the store's clock may be set back: fences repeat after a deletion (then no claim is sent twice:
 *              the model's clock is so coarse that the whole token would repeat)
 * Transactions TX  the effect is in the caller's transaction, with the complete
 * Mutants      M_...  each is one mistake; Spin must find what it breaks
 */
#ifndef N
#define N 2
#endif
#ifndef GRANTS
#define GRANTS 4
#endif
#ifndef ACTS
#define ACTS 1
#endif
#ifndef LOSSES
#define LOSSES 1
#endif
#define MAX 2
#define LAST (GRANTS + 2)   /* two more for the healer */

#ifdef FAIL
#define UNREPORTED_MAX 1
#else
#define UNREPORTED_MAX MAX
#endif

mtype = { absent, running, open, completed, unknown, purged };
mtype = { nothing, complete, free, failed, broken, cancelled };

/* ── The row ─────────────────────────────────────────────────────────────────────────────────────────────────────── */
mtype state = absent;
byte fence, owner;          /* the token */
byte attempt;
bool sent, takenOver, cancelAsked;
bool lapsed;                /* lease and grace are over */
bool cooling;
byte bytes;                 /* whose bytes the log holds: the outcome, once completed */

/* ── What was sent; attempts are numbered by grant ───────────────────────────────────────────────────────────────── */
byte grants;
byte fenceOf[LAST + 1], ownerOf[LAST + 1];
mtype said[LAST + 1] = nothing;   /* how the attempt ended, told to the store: once only, but delivered at will */
bool streams[LAST + 1];           /* it sends appends */

/* ── What only the observer knows ────────────────────────────────────────────────────────────────────────────────── */
byte holder;                      /* the attempt that the row's token was granted to */
byte incarnation, incarnations;
bool over = true;                 /* the incarnation has ended as it may: expiry, operator, or freed by its owner */
byte incarnationOf[LAST + 1];
byte unreported[LAST + 1];        /* dispatches by incarnation whose failure no complete answer reported */
bool voided[LAST + 1];            /* a later attempt was granted, or the incarnation is over */
byte outcome;                     /* of this incarnation */
byte acknowledged;                /* the outcome, once its owner has been told */
byte effects;                     /* committed in this incarnation (TX) */
byte oldTo;                       /* attempts up to here were claimed longer than the retention ago */
byte expiries, losses, acts, living = N;

/* An assertion that fails names its invariant. */
bool I1 = true, I2 = true, I4 = true, I5 = true, I6 = true, I10 = true, I12 = true, RULE13 = true;

inline changes(id) { I1 = !voided[id]; assert(I1) }

/* What every claim, read and replay may rely on. */
inline look() {
  I2 = (state != completed || bytes == outcome);
  assert(I2);
  I5 = (acknowledged == 0 || (state == completed && bytes == acknowledged));
  assert(I5);
  I6 = ((state != running && state != completed) || bytes == 0 || !voided[bytes]);
  assert(I6);
#ifdef TX
  I10 = (effects == (outcome != 0));
  assert(I10);
#endif
}

inline endIncarnation() {
  over = true;
  voided[holder] = true;
  outcome = 0;
  acknowledged = 0;
  effects = 0
}

/* ── Steps of the store ──────────────────────────────────────────────────────────────────────────────────────────── */
#ifdef M_NOOWNER
#define HOLDS(id) (state != absent && fenceOf[id] == fence)
#else
#define HOLDS(id) (state != absent && fenceOf[id] == fence && ownerOf[id] == owner)
#endif

#ifdef M_NOFENCE
#define MAY_COMPLETE(id) (state == running || state == unknown || (state == completed && !HOLDS(id)))
#else
#ifdef M_HEALANY
#define MAY_COMPLETE(id) ((state == running && HOLDS(id)) || state == unknown)
#else
#define MAY_COMPLETE(id) ((state == running || state == unknown) && HOLDS(id))
#endif
#endif

#ifdef M_RELEASENOFENCE
#define MAY_RELEASE(id) (state == running)
#else
#define MAY_RELEASE(id) (state == running && HOLDS(id))
#endif

#if defined(FAIL) && !defined(M_RECLAIM)
#define MAY_TAKE_OVER (attempt < MAX && !sent)
#else
#define MAY_TAKE_OVER (attempt < MAX)
#endif

#ifdef M_CAPBUG
#define USED_UP false
#else
#define USED_UP (attempt >= MAX)
#endif

/* A claim would change something. */
#ifdef M_UNKNOWNRUNS
#define CLAIMABLE (state == unknown || CLAIMABLE_BY_TABLE)
#else
#define CLAIMABLE CLAIMABLE_BY_TABLE
#endif
#define CLAIMABLE_BY_TABLE \
  (state == absent || state == purged || (state == open && !cooling) || (state == running && lapsed))

inline erase() {
  state = absent;
  fence = 0; owner = 0; holder = 0; attempt = 0; bytes = 0;
  sent = false; takenOver = false; cancelAsked = false; lapsed = false; cooling = false
}

inline bury() {
#ifdef M_NOTOMBSTONE
  erase()
#else
  state = purged;
  takenOver = true;
  attempt = 0; bytes = 0;
  sent = false; cancelAsked = false; lapsed = false; cooling = false
#endif
}

/* Leaves a tombstone where an older attempt may still be alive. */
inline remove() {
  if
  :: takenOver -> bury()
  :: else -> erase()
  fi
}

inline giveUp() {
  state = unknown;
  lapsed = false; cooling = false; cancelAsked = false
}

/* A new attempt of `who`, or of somebody new (0). */
inline grant(who) {
  voided[holder] = true;
  grants++;
#if defined(M_EPOCHRESET) || defined(CLOCKBACK)
  fence++;
#else
  fence = (fence + 1 > grants -> fence + 1 : grants);   /* the store's clock is past every older grant */
#endif
  owner = (who == 0 -> grants : who);
  fenceOf[grants] = fence;
  ownerOf[grants] = owner;
  holder = grants;
  state = running;
  lapsed = false; cooling = false; cancelAsked = false;
#ifdef FAIL
  sent = false;
#else
  sent = true;
#endif
#ifndef M_KEEPLOG
  bytes = 0;
#endif
  if
  :: over -> incarnations++; incarnation = incarnations; over = false
  :: else
  fi;
  incarnationOf[grants] = incarnation
}

/* `got` is the attempt that was granted, or 0 for every other answer. */
inline claim(who, got) {
  look();
  got = 0;
  if
  :: state == running && owner == who -> got = holder             /* sent twice: the same answer */
  :: state != running && state != absent && owner == who          /* its attempt is over */
  :: state == completed && owner != who
  :: state == unknown && owner != who ->
#ifdef M_UNKNOWNRUNS
     attempt++; grant(who); got = grants
#else
     skip
#endif
  :: state == running && owner != who && !lapsed
  :: state == open && owner != who && cooling
  :: state == absent || (state == purged && owner != who) ->
     attempt = 1; grant(who); got = grants
  :: state == open && owner != who && !cooling ->
     if
     :: USED_UP -> giveUp()
     :: else -> attempt++; grant(who); got = grants
     fi
  :: state == running && owner != who && lapsed ->
#ifdef M_NOTAKEOVER
     skip
#else
     if
     :: MAY_TAKE_OVER ->
#ifndef M_NOCOUNT
        attempt++;
#endif
        takenOver = true; grant(who); got = grants
     :: else -> giveUp()
     fi
#endif
  fi
}

inline renew(id) {
  if
  :: state == running && HOLDS(id) -> lapsed = false
  :: else
  fi
}

inline mark(id, ok) {
#ifdef M_NOSENT
  sent = true; ok = true
#else
  ok = (state == running && HOLDS(id));
  if
  :: ok -> changes(id); sent = true; lapsed = false
  :: else
  fi
#endif
}

inline append(id) {
#ifdef M_APPENDNOFENCE
  if
  :: state == running -> bytes = id; look()
#else
  if
  :: state == running && HOLDS(id) -> changes(id); bytes = id
#endif
  :: else
  fi
}

inline seal(id) {
  changes(id);
  I2 = (outcome == 0 || outcome == id);
  assert(I2);
  state = completed;
  bytes = id;
  outcome = id;
  attempt = 0;   /* of no consequence any more, like these */
  sent = false; cancelAsked = false; lapsed = false; cooling = false;
#if defined(TX) && !defined(M_TXSPLIT)
  effects++;
#endif
}

inline resurrect(id) {
  fence = fenceOf[id]; owner = ownerOf[id]; holder = id;
  incarnation = incarnationOf[id];
  over = false;
  seal(id)
}

inline doComplete(id, ok) {
  if
  :: MAY_COMPLETE(id) -> ok = true; seal(id)
  :: !(MAY_COMPLETE(id)) && state == completed && HOLDS(id) -> ok = true
#ifdef LOSSY
  :: state == absent && id > oldTo -> ok = true; resurrect(id)
#endif
  :: else -> ok = false
  fi
}

/* The table of ends. */
inline doRelease(id) {
  if
  :: MAY_RELEASE(id) ->
     changes(id);
     if
     :: said[id] == free -> endIncarnation(); remove()
     :: said[id] == failed ->
        state = open; attempt--; cooling = true; lapsed = false; cancelAsked = false; bytes = 0
     :: said[id] == broken ->
#ifdef M_DELONTHROW
        erase()
#else
#ifdef FAIL
        giveUp()
#else
        state = open; cooling = true; lapsed = false; cancelAsked = false; bytes = 0
#endif
#endif
     :: said[id] == cancelled ->
#ifdef FAIL
        if
        :: sent -> giveUp()
        :: else -> endIncarnation(); bury()
        fi
#else
        endIncarnation(); bury()
#endif
     fi
  :: else
  fi
}

inline deliver(id, ok) {
  if
  :: said[id] == complete -> doComplete(id, ok)
  :: else -> ok = false; doRelease(id)
  fi
}

/* ── Who acts ────────────────────────────────────────────────────────────────────────────────────────────────────── */

inline dispatch(id) {
  unreported[incarnationOf[id]]++;
  I4 = (unreported[incarnationOf[id]] <= UNREPORTED_MAX);
  assert(I4);
  streams[id] = true;
#ifdef M_TXSPLIT
  effects = effects + (incarnationOf[id] == incarnation && !over);
#endif
}

active [N] proctype Executor() {
  byte id, me;
  bool ok;

again:
  id = 0; me = 0; ok = false;
end:
  if
  :: d_step { CLAIMABLE && grants < GRANTS -> claim(0, id) }
  :: d_step { (state == completed || state == unknown) && (outcome != 0 || acknowledged != 0) -> look() }; goto again
  :: goto left
  fi;
  if
  :: id == 0 -> goto again
  :: id != 0
  fi;
  if
  :: true
  :: goto again                                                     /* crashed */
#ifndef CLOCKBACK
  :: d_step {                                                       /* no answer came: asks again as the same owner */
       (state == running && owner == ownerOf[id]) || grants < GRANTS -> me = ownerOf[id]; claim(me, id); me = 0
     };
     if
     :: id == 0 -> goto again
     :: id != 0
     fi
#endif
  fi;
#ifdef FAIL
  if
  :: d_step { mark(id, ok) };
     if
     :: !ok -> goto again
     :: ok
     :: goto again                                                  /* the mark has landed, its answer has not */
     fi
  :: said[id] = free; goto ending                                   /* past its deadline: never begun */
  fi;
#else
  if
  :: true
  :: said[id] = free; goto ending
  fi;
#endif
  if
  :: said[id] = free                                                /* a complete answer said that it failed */
  :: said[id] = failed
  :: d_step { dispatch(id); said[id] = complete }
  :: d_step { dispatch(id); said[id] = broken }
  :: d_step { dispatch(id) }; goto again                            /* crashed, nobody knows how far it got */
  :: d_step { HOLDS(id) && state == running && cancelAsked -> dispatch(id); said[id] = cancelled }
  fi;
#ifdef M_ACKEARLY
  if
  :: said[id] == complete && incarnationOf[id] == incarnation && !over -> acknowledged = id
  :: else
  fi;
#endif

ending:
  if
  :: d_step {
       deliver(id, ok);
       if
       :: ok -> acknowledged = outcome
       :: else
       fi
     }
  :: true                                                           /* no answer: the message is on its way */
  fi;
  goto again;

left:
  living--
}

/* Late and repeated messages of attempt `id`: its end, its appends, its beats, its claim. */
active [GRANTS] proctype Message() {
  byte id, ignored;
  bool answer;

  d_step { id = _pid - N + 1; assert(1 <= id && id <= GRANTS) };
end:
  do
#ifdef TX
  /* A transaction commits once, by its executor's own hand. */
  :: d_step { said[id] != nothing && said[id] != complete -> deliver(id, answer); answer = false }
#else
  :: d_step { said[id] != nothing -> deliver(id, answer); answer = false }
#endif
  :: d_step { streams[id] && state == running -> append(id) }
  :: d_step { id <= grants && state == running && lapsed -> renew(id) }
#ifndef CLOCKBACK
  :: d_step { living > 0 && id <= grants && grants < GRANTS && CLAIMABLE -> claim(ownerOf[id], ignored); ignored = 0 }
#endif
  od
}

active proctype Clock() {
end:
  do
  :: d_step { state == running && !lapsed ->
#ifdef M_LEASETTL
       erase()
#else
       lapsed = true
#endif
     }
  :: state == open && cooling -> cooling = false
#ifdef EXPIRY
#ifdef M_LIVEEXPIRY
  :: d_step { living > 0 && expiries < 1 && state == running && !lapsed -> expiries++; oldTo = grants; erase() }
#endif
  :: d_step { living > 0 && expiries < 1 && state != absent && (state != running || lapsed) ->
       expiries++;
#ifdef M_SHORTTOMBSTONE
       oldTo = (state == purged -> oldTo : grants);
#else
#ifdef M_SHORTOPEN
       oldTo = (state == open && attempt == 0 -> oldTo : grants);
#else
       oldTo = grants;
#endif
#endif
       endIncarnation(); erase()
     }
#endif
#ifdef LOSSY
  /* What the store forgot, its observer forgives. */
  :: d_step { living > 0 && losses < LOSSES && state != absent ->
       losses++;
       endIncarnation();
       byte each;
       for (each : 1 .. LAST) { voided[each] = false };
       each = 0;
       erase()
     }
#endif
  od
}

#ifdef OPERATOR
#ifdef M_PURGENOFENCE
#define IS_SEEN (state != absent && state != purged)
#else
#define IS_SEEN (state != absent && state != purged && fence == seen)
#endif

inline operate() { RULE13 = (holder == seenHolder); assert(RULE13) }

active proctype Operator() {
  byte seen, seenHolder;
end:
  do
  :: d_step { living > 0 && acts < ACTS && state != absent && state != purged -> acts++; seen = fence; seenHolder = holder };
     if
     :: d_step { IS_SEEN && state == running -> operate(); cancelAsked = true }
     :: d_step { IS_SEEN && state == unknown -> operate(); endIncarnation(); bury() }
     :: d_step { IS_SEEN && (state == running || state == unknown) -> operate(); endIncarnation(); bury() }
     :: d_step { IS_SEEN && (state == open || state == completed) ->
          operate(); endIncarnation();
#if defined(LOSSY) && !defined(M_PURGEDELETES)
          bury()   /* a complete that arrives twice would bring the purged outcome back */
#else
          remove()
#endif
        }
     :: true                                                        /* changes its mind, or was too late */
     fi;
     d_step { seen = 0; seenHolder = 0 }
  od
}
#endif

/* When everybody else has gone, one more caller asks until the key settles: an outcome, or a listed unknown (I12).
   Once the lease has lapsed and the cooldown is over, its second question at the latest is answered. */
active proctype Healer() {
  byte id, rounds;
  bool ok;
end:
  living == 0;
ask:
  rounds++;
  I12 = (rounds <= 2);
  assert(I12);
  if
  :: state == completed || state == unknown -> goto settled
  :: d_step { CLAIMABLE_BY_TABLE -> claim(0, id) }
  fi;                                                               /* leases lapse and cooldowns end: the clock runs */
  if
  :: id == 0 -> goto ask
  :: id != 0
  fi;
#ifdef FAIL
  d_step { mark(id, ok) };
  if
  :: !ok -> goto ask
  :: ok
  fi;
#endif
  d_step { dispatch(id); said[id] = complete };
  d_step { deliver(id, ok) };
  if
  :: ok
  :: !ok -> goto ask
  fi;
settled:
  look()
}
