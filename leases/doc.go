// Package leases gives each connection to a platform one owner among the nodes of a cluster.
//
// A node is a [Member]. For each platform it opens a [Group] and says which keys should have an owner. The members
// share the keys evenly, and a member calls Run for each key that it owns, with a [Lease]. When a node dies, others
// take its keys over after 10 s; when it stops, at once. Beside a lease stand the cursor, which the next owner begins
// with, a state for people, and a value that all members see. A [Store] keeps all that: [NewMemory] for one node,
// natsleases or redisleases for more.
//
// # What is in the store
//
//   - node/<session> is a node that lives, with its groups. The node writes it every 3 s. A session is a time in which
//     the node may own keys; after a failure it begins another one.
//   - <group>/<key> is a key, with the session that owns it, an epoch that counts its owners, and the cursor.
//   - turn/<name> is the last turn of that name, see [Member.Turn].
//
// The price at rest is one write per node in 3 s, however many keys there are.
//
// # Why a key never has two owners
//
// Every write is a compare-and-set: it succeeds only if nobody has written since the writer has read. So of several
// nodes that take a key one gets it, and an owner that has lost a key cannot write its cursor any more.
//
// No clocks are compared between nodes. Each node measures only how much time has passed on its own:
//
//   - The owner counts 8 s from the moment at which it began its last successful write. Then [Lease.Valid] is false and
//     the contexts of its runs end. Valid asks the clock at every call: a process that was stopped for 40 s finds out
//     at the first call, before any of its timers has run.
//   - The others count 10 s from the moment at which they have seen the last write, which is later than its beginning.
//     Then one of them deletes the entry of the session, if it is still the one that they have seen. That ends the
//     session for all, and for the owner too, whose next write fails.
//
// So the owner has stopped 2 s before others may begin, as long as the clocks of both run at the same speed within a
// fifth. Who publishes something for a key asks Valid right before.
//
// What was not valid once does not become valid again. A node that could not renew owns nothing, begins a new session,
// and takes keys again like any other.
//
// # How keys move
//
// All members see the same entries and come to the same plan: a free key goes to the node that had it last, else to the
// one whose hash with the key is the highest, as long as that node has less than its share. Where a node that joins has
// too little, the others give 20 keys each half second, and no more than it needs. A key that the plan gives to a node
// which does not take it is taken by another one after a second.
package leases
