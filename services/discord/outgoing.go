package discord

// The objects in the bodies of calls.

// outgoing is the body of "Create Message", of "Execute Webhook" and of "Edit Original Interaction Response".
type outgoing struct {
	Content          string          `json:"content,omitempty"`
	Embeds           []embed         `json:"embeds,omitempty"`
	Components       []actionRow     `json:"components,omitempty"`
	StickerIDs       []string        `json:"sticker_ids,omitempty"`
	Poll             *pollRequest    `json:"poll,omitempty"`
	Attachments      []upload        `json:"attachments,omitempty"`
	Flags            int             `json:"flags,omitempty"`
	MessageReference *replyReference `json:"message_reference,omitempty"`
	AllowedMentions  allowedMentions `json:"allowed_mentions"`
	Nonce            string          `json:"nonce,omitempty"`
	EnforceNonce     bool            `json:"enforce_nonce,omitempty"`
}

// replacement is the body of "Edit Message". It names all that a message can hold: what a call leaves out, or gives as
// null, stays.
type replacement struct {
	Content         string          `json:"content"`
	Embeds          []embed         `json:"embeds"`
	Components      []actionRow     `json:"components"`
	Attachments     []upload        `json:"attachments"`
	AllowedMentions allowedMentions `json:"allowed_mentions"`
}

// payload is the JSON of the call that the draft is for.
func (d *draft) payload() any {
	b := &d.body
	if !d.to.edit {
		return b
	}
	return &replacement{
		Content: b.Content, Embeds: append([]embed{}, b.Embeds...), Components: append([]actionRow{}, b.Components...),
		Attachments: append([]upload{}, b.Attachments...), AllowedMentions: b.AllowedMentions,
	}
}

// allowedMentions is always empty, so that no text notifies anybody: it may be of others and hold "@everyone". See
// "Allowed Mentions Object".
type allowedMentions struct {
	Parse [0]string `json:"parse"`
}

// replyReference is the "Message Reference Structure" of a reply.
type replyReference struct {
	MessageID       string `json:"message_id"`
	FailIfNotExists bool   `json:"fail_if_not_exists"` // false: a reply to a deleted message is sent, too
}

type embed struct {
	Image embedImage `json:"image"`
}

type embedImage struct {
	URL string `json:"url"`
}

// upload is the "Attachment Request Structure". ID is the n of the part files[n].
type upload struct {
	ID           int     `json:"id"`
	Filename     string  `json:"filename"`
	Description  string  `json:"description,omitempty"`
	DurationSecs float64 `json:"duration_secs,omitempty"`
	Waveform     string  `json:"waveform,omitempty"`
}

type actionRow struct {
	Type       int    `json:"type"`
	Components []item `json:"components"`
}

// item is a "Button" or a "String Select".
type item struct {
	Type        int            `json:"type"`
	Style       int            `json:"style,omitempty"`
	Label       string         `json:"label,omitempty"`
	CustomID    string         `json:"custom_id,omitempty"`
	URL         string         `json:"url,omitempty"`
	Placeholder string         `json:"placeholder,omitempty"`
	Options     []optionToShow `json:"options,omitempty"`
}

type optionToShow struct {
	Label       string `json:"label"`
	Value       string `json:"value"`
	Description string `json:"description,omitempty"`
}

// pollRequest is the "Poll Create Request Object". Polls without a duration are open for a day.
type pollRequest struct {
	Question         pollText     `json:"question"`
	Answers          []pollChoice `json:"answers"`
	AllowMultiselect bool         `json:"allow_multiselect,omitempty"`
}

type pollText struct {
	Text string `json:"text"`
}

type pollChoice struct {
	PollMedia pollText `json:"poll_media"`
}
