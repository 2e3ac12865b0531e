package cluster

import "time"

// BeatEvery makes a link that has not started yet send heartbeats this often.
func (l *Link) BeatEvery(interval time.Duration) { l.beat = interval }

// ExpireAt looks for silent nodes as if it were then.
func (l *Link) ExpireAt(then time.Time) { l.expire(then) }
