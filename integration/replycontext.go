package integration

import "net/url"

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
