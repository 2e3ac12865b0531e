package cluster

import "time"

// BeatEvery makes a link that has not started yet send heartbeats this often.
func (l *Link) BeatEvery(interval time.Duration) { l.beat = interval }

// ExpireAt looks for silent nodes as if it were then.
func (l *Link) ExpireAt(then time.Time) { l.expire(then) }

// LeaveWithin sets how long a node that leaves serves at least, and how long it waits for others at most.
func (l *Link) LeaveWithin(least, most time.Duration) { l.stopDelay, l.leaveAckTimeout = least, most }

// StopDelay is how long a node that leaves serves at least.
const StopDelay = stopDelay

// GiveUp ends what a link waits for.
func (l *Link) GiveUp() { l.cancel() }

// OpenStreams counts the streams whose end has not come.
func (l *Link) OpenStreams() int {
	l.streams.mu.Lock()
	defer l.streams.mu.Unlock()
	return len(l.streams.open)
}
