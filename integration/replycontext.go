package integration

import (
	"context"
	"net/url"
	"strconv"
	"time"
)

// PutReplyValue adds a value to the message's ReplyContext, which has the form of a URL's query. Normalize may use it.
// An empty value is left out, and so is a value that exceeds the 4 KB of a ReplyContext.
func (m *Message) PutReplyValue(name, value string) {
	if value == "" {
		return
	}
	pair := name + "=" + url.QueryEscape(value)
	if m.ReplyContext != "" {
		pair = m.ReplyContext + "&" + pair
	}
	if len(pair) <= maxReplyContext {
		m.ReplyContext = pair
	}
}

// ReplyValues reads the values of [Message.PutReplyValue]. For a ReplyContext of another form the error is
// FaultInvalid.
func (m *Message) ReplyValues() (url.Values, error) {
	if m.ReplyContext == "" {
		return nil, nil
	}
	values, err := url.ParseQuery(m.ReplyContext)
	if err != nil {
		return nil, Invalid("replyContext is not one that came with a message: hand it back as it came")
	}
	return values, nil
}

// PutReplyToken adds a token with which one message can be sent to the conversation until a time, in ms since 1970. Set
// ConversationID before. An empty token is left out.
func (m *Message) PutReplyToken(token string, until int64) {
	if token != "" {
		m.PutReplyValue("to", string(m.ConversationID))
		m.PutReplyValue("replyToken", token)
		m.PutReplyValue("until", strconv.FormatInt(until, 10))
	}
}

// ReplyToken returns the token of [Message.PutReplyToken] in Send, or "" where it cannot be used: the message goes to
// another conversation, the time is over, or the message is a later part ([IsLaterPart]), for which it is used up.
func (m *Message) ReplyToken(ctx context.Context) string {
	values, _ := m.ReplyValues() // of another form they have no token
	until, _ := strconv.ParseInt(values.Get("until"), 10, 64)
	if values.Get("to") != string(m.Recipient()) || time.Now().UnixMilli() >= until || IsLaterPart(ctx) {
		return ""
	}
	return values.Get("replyToken")
}
