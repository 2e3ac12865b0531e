package whatsapp

import (
	"cmp"
	"slices"
	"strings"

	"github.com/hiliosai/switchboard/integration"
	"github.com/hiliosai/switchboard/integration/httpapi"
)

// addInteractive adds buttons, a list, a link or a Flow.
func (d *draft) addInteractive(c *integration.Content) error {
	switch c.Type {
	case integration.TypeInteractive, integration.TypeText, "",
		integration.TypeImage, integration.TypeVideo, integration.TypeFile:
	default:
		return integration.UnsupportedContent(
			"content of type %s cannot have buttons or a list at WhatsApp; TEXT, IMAGE, VIDEO and FILE can", c.Type,
		)
	}
	i := c.Interactive
	out := &outInteractive{Body: outBodyText{cmp.Or(c.Text, i.Body)}}
	var err error
	bodyLimit := maxBody
	switch {
	case i.Kind == integration.InteractiveForm:
		err = out.flow(i)
	case i.Kind == integration.InteractiveList || len(i.Sections) > 0:
		bodyLimit = maxListBody
		err = out.list(i)
	default:
		err = out.buttons(i)
	}
	if err != nil {
		return err
	}
	if strings.TrimSpace(out.Body.Text) == "" {
		return integration.Invalid("an interactive message needs content.text or content.interactive.body")
	}
	if err := integration.Within(platformTitle, out.Body.Text, bodyLimit, "the body"); err != nil {
		return err
	}
	if err := integration.Within(platformTitle, i.Footer, maxFooter, "the footer"); err != nil {
		return err
	}
	if i.Footer != "" {
		out.Footer = &outFooter{i.Footer}
	}
	if out.Header, err = d.header(c, out.Type); err != nil {
		return err
	}
	d.request.Type, d.request.Interactive = "interactive", out
	return nil
}

// header returns the text or the attachment above the body. A list can only have a text.
func (d *draft) header(c *integration.Content, choice string) (*outHeader, error) {
	list := c.MediaList()
	switch text := c.Interactive.Header; {
	case len(list) > 1:
		return nil, integration.UnsupportedContent("an interactive message has one attachment at most")
	case len(list) == 0 && text == "":
		return nil, nil
	case len(list) == 0:
		return &outHeader{Type: "text", Text: text}, integration.Within(platformTitle, text, maxHeader, "the header")
	}
	if c.Interactive.Header != "" {
		return nil, integration.UnsupportedContent(
			"an interactive message has a text as its header or an attachment, not both",
		)
	}
	if choice == "list" {
		return nil, integration.UnsupportedContent("a list cannot have an attachment at WhatsApp")
	}
	m, t := &list[0], c.Type
	if t == integration.TypeInteractive || t == integration.TypeText || t == "" {
		t = integration.TypeOfMedia(m.MimeType)
	}
	if t != integration.TypeImage && t != integration.TypeVideo {
		t = integration.TypeFile
	}
	out, err := d.media(m, t)
	if err != nil {
		return nil, err
	}
	h := &outHeader{Type: mediaNames[t]}
	switch t {
	case integration.TypeImage:
		h.Image = out
	case integration.TypeVideo:
		h.Video = out
	default:
		out.Filename = nameOf(m)
		h.Document = out
	}
	return h, nil
}

// buttons adds reply buttons, or one button that opens a URL.
func (out *outInteractive) buttons(i *integration.Interactive) error {
	n := len(i.Buttons)
	if n == 0 {
		return integration.Invalid("an interactive message needs content.interactive.buttons or sections")
	}
	for at, b := range i.Buttons {
		switch b.Type {
		case "", integration.ButtonReply:
		case integration.ButtonURL:
			if n > 1 {
				return integration.UnsupportedContent(
					"a message has reply buttons at WhatsApp, or one that opens a URL and no other",
				)
			}
			return out.link(b)
		default:
			return integration.UnsupportedContent("button %d is of type %q; WhatsApp has reply and url", at+1, b.Type)
		}
	}
	if n > maxButtons {
		return integration.Invalid(
			"content.interactive has %d buttons; WhatsApp takes %d, and %d entries in a list", n, maxButtons, maxRows,
		)
	}
	out.Type = "button"
	var ids, titles []string
	for _, b := range i.Buttons {
		reply := outReply{ID: cmp.Or(b.ID, b.Title), Title: b.Title}
		if err := label("the title of a button", b.Title, maxButtonTitle); err != nil {
			return err
		}
		if err := integration.Within(platformTitle, reply.ID, maxButtonID, "the id of a button"); err != nil {
			return err
		}
		if slices.Contains(ids, reply.ID) || slices.Contains(titles, reply.Title) {
			return integration.Invalid("the buttons must differ in their titles and in their ids: there are two of %q", b.Title)
		}
		ids, titles = append(ids, reply.ID), append(titles, reply.Title)
		out.Action.Buttons = append(out.Action.Buttons, outButton{Type: "reply", Reply: reply})
	}
	return nil
}

// link adds a button that opens a URL, "Interactive CTA URL button messages".
func (out *outInteractive) link(b integration.Button) error {
	if !httpapi.IsLink(b.URL) {
		return integration.Invalid("the url of a button must be an http or https URL")
	}
	out.Type = "cta_url"
	out.Action = outAction{Name: "cta_url", Parameters: &outParameters{DisplayText: b.Title, URL: b.URL}}
	return label("the title of a button", b.Title, maxButtonTitle)
}

// flow adds a Flow, "Sending a Flow". Flows are made in WhatsApp Manager; the id of the only button is that of the
// Flow.
func (out *outInteractive) flow(i *integration.Interactive) error {
	if len(i.Buttons) != 1 || !idPattern.MatchString(i.Buttons[0].ID) {
		return integration.Invalid("a form needs one button, whose id is that of a published Flow")
	}
	b := i.Buttons[0]
	out.Type = "flow"
	out.Action = outAction{Name: "flow", Parameters: &outParameters{FlowVersion: "3", FlowID: b.ID, FlowCTA: b.Title}}
	return label("the title of a button", b.Title, maxButtonTitle)
}

// list adds a list and the button that opens it.
func (out *outInteractive) list(i *integration.Interactive) error {
	if err := label("content.interactive.buttonLabel", i.ButtonLabel, maxButtonTitle); err != nil {
		return err
	}
	if n := len(i.Sections); n == 0 || n > maxSections {
		return integration.Invalid("the list has %d sections; WhatsApp takes 1 to %d", n, maxSections)
	}
	out.Type, out.Action.Button = "list", i.ButtonLabel
	var ids []string
	for _, s := range i.Sections {
		if len(i.Sections) > 1 || s.Title != "" {
			if err := label("the title of a section", s.Title, maxSectionTitle); err != nil {
				return err
			}
		}
		if len(s.Rows) == 0 {
			return integration.Invalid("a section of the list has no rows")
		}
		section := outSection{Title: s.Title}
		for _, r := range s.Rows {
			row := outRow{ID: cmp.Or(r.ID, r.Title), Title: r.Title, Description: r.Description}
			if err := row.check(); err != nil {
				return err
			}
			if slices.Contains(ids, row.ID) {
				return integration.Invalid("the rows of the list must differ in their ids: there are two of %q", row.ID)
			}
			ids = append(ids, row.ID)
			section.Rows = append(section.Rows, row)
		}
		out.Action.Sections = append(out.Action.Sections, section)
	}
	if len(ids) > maxRows {
		return integration.Invalid("the list has %d rows; WhatsApp takes %d in all sections together", len(ids), maxRows)
	}
	return nil
}

func (r *outRow) check() error {
	if err := label("the title of a row", r.Title, maxRowTitle); err != nil {
		return err
	}
	if err := integration.Within(platformTitle, r.ID, maxRowID, "the id of a row"); err != nil {
		return err
	}
	return integration.Within(platformTitle, r.Description, maxRowDescription, "the description of a row")
}

// label checks the length of a text that must not be empty.
func label(what, text string, limit int) error {
	if strings.TrimSpace(text) == "" {
		return integration.Invalid("%s is empty", what)
	}
	return integration.Within(platformTitle, text, limit, "%s", what)
}
