package integration

import "net/url"

// PutReplyValue adds a value to the message's ReplyContext, which then has the form of a URL's query. It is for
// platforms in Normalize. A value that is empty, or that has no room in the 4 KB of a ReplyContext, is left out.
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

// ReplyValues reads what [Message.PutReplyValue] wrote. A ReplyContext of another form is FaultInvalid.
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
