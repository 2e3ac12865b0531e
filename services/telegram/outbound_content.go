package telegram

import (
	"cmp"
	"strings"

	"github.com/hiliosai/switchboard/integration"
	"github.com/hiliosai/switchboard/integration/textlimit"
)

// composeLocation sends a point, or a venue if the location has a name or an address. A venue needs both.
func composeLocation(c *integration.Content, d *delivery) (*request, error) {
	l := c.Location
	switch {
	case l == nil:
		return nil, integration.Invalid("content.location is missing")
	case l.Latitude < -90 || l.Latitude > 90 || l.Longitude < -180 || l.Longitude > 180:
		return nil, integration.Invalid("content.location lies outside the world")
	}
	if err := noText(c, "a location"); err != nil {
		return nil, err
	}
	r := &request{method: "sendLocation"}
	params := &locationParams{delivery: *d, Latitude: l.Latitude, Longitude: l.Longitude}
	if name := cmp.Or(l.Name, l.Address); name != "" {
		r.method, params.Title, params.Address = "sendVenue", name, cmp.Or(l.Address, l.Name)
	}
	if l.Live { // the point is not updated
		r.degraded.Add("live location", "location")
	}
	r.params = params
	return r, nil
}

func composeContact(c *integration.Content, d *delivery) (*request, error) {
	if n := len(c.Contacts); n != 1 {
		return nil, integration.Invalid("there are %d contacts; Telegram takes one in a message", n)
	}
	if err := noText(c, "a contact"); err != nil {
		return nil, err
	}
	who := &c.Contacts[0]
	params := &contactParams{
		delivery: *d, FirstName: cmp.Or(who.Name.First, who.Name.Formatted, who.Name.Last), LastName: who.Name.Last,
		VCard: cmp.Or(who.VCard, vCard(who)),
	}
	if who.Name.First == "" {
		params.LastName = "" // FirstName is the whole name
	}
	if len(who.Phones) > 0 {
		params.PhoneNumber = who.Phones[0].Phone
	}
	switch size := len(params.VCard); {
	case params.PhoneNumber == "":
		return nil, integration.Invalid("the contact has no phone; Telegram needs one")
	case params.FirstName == "":
		return nil, integration.Invalid("the contact has no name; Telegram needs one")
	case size > maxVCard:
		return nil, integration.Invalid("the contact's vcard has %d bytes; Telegram takes %d", size, maxVCard)
	}
	return &request{method: "sendContact", params: params}, nil
}

// vCard writes a contact by RFC 2426 if it has more than "sendContact" has parameters for. It is empty otherwise.
func vCard(c *integration.Contact) string {
	if len(c.Phones) < 2 && len(c.Emails) == 0 && c.Org == "" {
		return ""
	}
	var b strings.Builder
	line := func(name string, value ...string) {
		for i := range value {
			value[i] = vCardEscaper.Replace(value[i])
		}
		b.WriteString(name + ":" + strings.Join(value, ";") + "\r\n")
	}
	line("BEGIN", "VCARD")
	line("VERSION", "3.0")
	line("FN", cmp.Or(c.Name.Formatted, fullName(c.Name.First, c.Name.Last, "")))
	line("N", c.Name.Last, cmp.Or(c.Name.First, c.Name.Formatted), "", "", "")
	for _, p := range c.Phones {
		line("TEL", p.Phone)
	}
	for _, e := range c.Emails {
		line("EMAIL", e)
	}
	if c.Org != "" {
		line("ORG", c.Org)
	}
	line("END", "VCARD")
	return b.String()
}

var vCardEscaper = strings.NewReplacer("\\", "\\\\", ",", "\\,", ";", "\\;", "\r", "", "\n", "\\n")

// composePoll sends a poll. Votes come back with their voters, unless the message's metadata says that the poll is
// anonymous. Channels take anonymous polls only.
func composePoll(m *integration.Message, d *delivery) (*request, error) {
	poll := m.Content.Poll
	if poll == nil {
		return nil, integration.Invalid("content.poll is missing")
	}
	if err := noText(&m.Content, "a poll"); err != nil {
		return nil, err
	}
	params := &pollParams{
		delivery: *d, Question: poll.Question, IsAnonymous: integration.FlagIn(m.Metadata, metaAnonymous),
		AllowsMultipleAnswers: poll.Multiple, IsClosed: poll.Closed,
	}
	if n := textlimit.UTF16(poll.Question); blank(poll.Question) || n > maxQuestion {
		return nil, integration.Invalid("the poll's question has a length of %d; Telegram takes 1 to %d", n, maxQuestion)
	}
	if n := len(poll.Options); n == 0 || n > maxPollOptions {
		return nil, integration.Invalid("the poll has %d options; Telegram takes 1 to %d", n, maxPollOptions)
	}
	for i, option := range poll.Options {
		if n := textlimit.UTF16(option); blank(option) || n > maxPollOption {
			return nil, integration.Invalid(
				"option %d of the poll has a length of %d; Telegram takes 1 to %d", i+1, n, maxPollOption,
			)
		}
		params.Options = append(params.Options, pollOption{option})
	}
	return &request{method: "sendPoll", params: params}, nil
}

// noText refuses a message with a text for which the content has no place.
func noText(c *integration.Content, beside string) error {
	text, _, err := newText(c, maxText)
	if err == nil && text.Text != "" {
		err = integration.Invalid("a text cannot go with %s through Telegram; send it as a message of its own", beside)
	}
	return err
}
