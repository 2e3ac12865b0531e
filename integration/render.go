package integration

import (
	"cmp"
	"fmt"
	"net/url"
	"slices"
	"strconv"
	"strings"
)

// TextStyle says how the factory writes content as text if the platform has no form for it, see [AsText]. The zero
// value writes plain text.
type TextStyle struct {
	// Format is the content.format of the written text. A text without a format is escaped for it.
	Format string
	Escape func(text string) string       // nil if no character has a special meaning
	Bold   func(text string) string       // marks names and headings, which are escaped already; nil does not
	Link   func(link, text string) string // nil writes the link alone; text is not escaped
}

// rendered are the features that the factory can write as text.
var rendered = []Feature{
	FeatureImage, FeatureVideo, FeatureAudio, FeatureVoice, FeatureFile, FeatureAlbum, FeatureSticker, FeatureLocation,
	FeatureContact,
	FeatureButtons, FeatureList, FeaturePoll,
}

// render writes as text all features that the platform wants as text, and lists them. A message without any is returned
// unchanged.
func (s *platformService) render(m *Message, features []Feature) (*Message, []Degradation, error) {
	var degraded []Degradation
	asText := func(f Feature) bool {
		return slices.ContainsFunc(degraded, func(d Degradation) bool { return d.Feature == f })
	}
	for _, f := range features {
		if s.def.Support[f].Out.AsText {
			degraded = append(degraded, Degradation{Feature: f, Became: "text"})
		}
	}
	if degraded == nil {
		return m, nil, nil
	}
	text := *m
	w := &textWriter{TextStyle: s.def.Style, platform: s.def.Title, from: &m.Content, to: &text.Content}
	if asText(FeatureButtons) || asText(FeatureList) {
		w.header()
	}
	w.body()
	if err := w.content(asText); err != nil {
		return nil, nil, err
	}
	if asText(FeatureButtons) || asText(FeatureList) {
		w.choice()
	}
	if w.finish() {
		degraded = append(degraded, Degradation{Feature: "entities", Became: "none"})
	}
	return &text, degraded, nil
}

// textWriter writes content as text, line by line.
type textWriter struct {
	TextStyle
	platform string
	from, to *Content // to begins as a copy of from
	lines    []string
}

// line adds a line for each text that is not empty.
func (w *textWriter) line(texts ...string) {
	for _, text := range texts {
		if text != "" {
			w.lines = append(w.lines, w.escape(text))
		}
	}
}

func (w *textWriter) bold(text string) {
	switch {
	case text == "":
	case w.Bold == nil:
		w.line(text)
	default:
		w.lines = append(w.lines, w.Bold(w.escape(text)))
	}
}

func (w *textWriter) escape(text string) string {
	if w.Escape == nil {
		return text
	}
	return w.Escape(text)
}

func (w *textWriter) link(link, text string) {
	if w.Link == nil {
		w.lines = append(w.lines, link)
		return
	}
	w.lines = append(w.lines, w.Link(link, text))
}

func (w *textWriter) header() { w.bold(w.from.Interactive.Header) }

// body writes the sender's own text, which may have markup already.
func (w *textWriter) body() {
	text := w.from.Text
	if i := w.from.Interactive; i != nil && text == "" {
		text = i.Body
	}
	if text = strings.TrimSpace(text); text == "" {
		return
	}
	if w.Format == "" || w.from.Format != w.Format {
		text = w.escape(text)
	}
	w.lines = append(w.lines, text)
}

// content writes the features that asText selects. The platform handles all others.
func (w *textWriter) content(asText func(Feature) bool) error {
	c := w.from
	switch c.Type {
	case TypeLocation:
		if !asText(FeatureLocation) {
			return nil
		}
		return w.location(c.Location)
	case TypeContact:
		if !asText(FeatureContact) {
			return nil
		}
		return w.contacts(c.Contacts)
	case TypePoll:
		if !asText(FeaturePoll) {
			return nil
		}
		return w.poll(c.Poll)
	case TypeSticker:
		if asText(FeatureSticker) && c.Sticker != nil && c.Sticker.Emoji != "" {
			w.to.Type, w.to.Sticker, w.to.Media = TypeText, nil, nil
			w.line(c.Sticker.Emoji)
			return nil
		}
	default:
	}
	return w.media(asText)
}

// media writes links to attachments: to all of them, or to all but the first if the platform takes one.
func (w *textWriter) media(asText func(Feature) bool) error {
	list := w.from.MediaList()
	whole := slices.ContainsFunc(
		[]Feature{FeatureImage, FeatureVideo, FeatureAudio, FeatureVoice, FeatureFile, FeatureSticker}, asText,
	)
	switch {
	case whole:
		w.to.Type, w.to.Media, w.to.Attachments, w.to.Sticker = TypeText, nil, nil, nil
	case asText(FeatureAlbum):
		w.to.Media, w.to.Attachments, list = &list[0], nil, list[1:]
	default:
		return nil
	}
	if len(list) == 0 {
		return Invalid("content of type %s needs content.media", w.from.Type)
	}
	for i := range list {
		m := &list[i]
		if !isLink(m.URL) || m.ID != "" || len(m.Data) > 0 || m.Datasource != "" {
			return UnsupportedContent(
				"%s takes an attachment as an http or https link in a text, and not by an id or its bytes", w.platform,
			)
		}
		w.line(m.Caption)
		w.link(m.URL, cmp.Or(m.Filename, m.URL))
	}
	return nil
}

func isLink(text string) bool {
	u, err := url.Parse(text)
	return err == nil && u.Host != "" && (u.Scheme == "http" || u.Scheme == "https")
}

// location writes a place's name, its address and a link to a map.
func (w *textWriter) location(l *Location) error {
	if l == nil {
		return Invalid("content of type %s needs content.location", w.from.Type)
	}
	w.line(l.Name, l.Address)
	point := strconv.FormatFloat(l.Latitude, 'f', -1, 64) + "," + strconv.FormatFloat(l.Longitude, 'f', -1, 64)
	link := "https://www.google.com/maps/search/?api=1&query=" + url.QueryEscape(point)
	if isLink(l.URL) {
		link = l.URL
	}
	w.link(link, point)
	w.to.Type, w.to.Location = TypeText, nil
	return nil
}

// contacts writes the entries of an address book.
func (w *textWriter) contacts(list []Contact) error {
	if len(list) == 0 {
		return Invalid("content of type %s needs content.contacts", w.from.Type)
	}
	for i := range list {
		c, before := &list[i], len(w.lines)
		w.bold(cmp.Or(c.Name.Formatted, strings.TrimSpace(c.Name.First+" "+c.Name.Last)))
		w.line(c.Org)
		for _, p := range c.Phones {
			phone := cmp.Or(p.Phone, string(p.WaID))
			if phone != "" && p.Type != "" {
				phone += " (" + p.Type + ")"
			}
			w.line(phone)
		}
		w.line(c.Emails...)
		if len(w.lines) == before {
			w.line(c.VCard)
		}
	}
	w.to.Type, w.to.Contacts = TypeText, nil
	return nil
}

// poll writes a question and its options, numbered.
func (w *textWriter) poll(p *Poll) error {
	if p == nil || strings.TrimSpace(p.Question) == "" || len(p.Options) == 0 {
		return Invalid("content of type %s needs content.poll with question and options", w.from.Type)
	}
	w.bold(p.Question)
	for i, option := range p.Options {
		w.line(fmt.Sprintf("%d. %s", i+1, option))
	}
	w.to.Type, w.to.Poll = TypeText, nil
	return nil
}

// choice writes buttons and the rows of a list, numbered, and the footer.
func (w *textWriter) choice() {
	i, n := w.from.Interactive, 0
	next := func(title, more string) {
		n++
		title = fmt.Sprintf("%d. %s", n, title)
		if more != "" {
			title += ": " + more
		}
		w.line(title)
	}
	for _, b := range i.Buttons {
		next(b.Title, b.URL)
	}
	for _, section := range i.Sections {
		w.bold(section.Title)
		for _, row := range section.Rows {
			next(row.Title, row.Description)
		}
	}
	w.line(i.Footer)
	w.to.Interactive = nil
	if list := w.to.MediaList(); w.to.Type == TypeInteractive && len(list) > 0 {
		w.to.Type = TypeOfMedia(list[0].MimeType)
	} else if w.to.Type == TypeInteractive {
		w.to.Type = TypeText
	}
}

// finish puts the lines into the content, and says whether its entities were lost.
func (w *textWriter) finish() (lost bool) {
	w.to.Text, w.to.Format = strings.Join(w.lines, "\n"), cmp.Or(w.Format, w.from.Format)
	if len(w.from.Entities) == 0 || strings.HasPrefix(w.to.Text, w.from.Text) && w.from.Text != "" {
		return false
	}
	w.to.Entities = nil // their offsets are those of another text
	return true
}
