package slack

import (
	"cmp"
	"strings"

	"github.com/hiliosai/switchboard/integration"
)

// What an answer needs of the message that it answers, by its name in replyContext. Until the next release the first
// two are in the metadata under the same names, and metadata.responseUrl is read where replyContext has none.
const (
	replyResponseURL = "responseUrl" // good five times, for half an hour
	replyTriggerID   = "triggerId"   // good for three seconds, for modals
	replyThread      = "thread"      // the id of the first message of the thread, channel:ts
)

// metaResponseURLExpiry is the name in the metadata of the time, in milliseconds since 1970, at which a response_url
// can no longer be used.
const metaResponseURLExpiry = "responseUrlExpiresAt"

// replyContext is what a message to send needs of the one that it answers.
type replyContext struct {
	responseURL string
	thread      string // channel:ts
}

// readReply reads the replyContext of a message that is sent, and the metadata that came before it.
func readReply(m *integration.Message) (replyContext, error) {
	values, err := m.ReplyValues()
	old, _ := m.Metadata[replyResponseURL].(string)
	return replyContext{cmp.Or(values.Get(replyResponseURL), old), values.Get(replyThread)}, err
}

// threadIn is the thread in which the answer belongs, "" where that is in another channel.
func (r replyContext) threadIn(channel string) string {
	in, ts, _ := strings.Cut(r.thread, ":")
	if in != channel {
		return ""
	}
	return ts
}

// putResponseURL keeps the link for answers, and until when it can be used. Everybody who has it can write there.
func (r *reader) putResponseURL(link string) {
	if link == "" {
		return
	}
	r.note(replyResponseURL, link)
	r.m.Metadata[metaResponseURLExpiry] = r.w.Timestamp.Add(responseURLLife).UnixMilli()
	r.m.PutReplyValue(replyResponseURL, link)
}

// putTrigger keeps the id by which a modal can be opened.
func (r *reader) putTrigger(id string) {
	r.note(replyTriggerID, id)
	r.m.PutReplyValue(replyTriggerID, id)
}
