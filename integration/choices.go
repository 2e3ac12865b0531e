package integration

import (
	"cmp"

	"github.com/hiliosai/switchboard/integration/textlimit"
)

// Choice is one entry that a message offers: a button, or a row of a list.
type Choice struct {
	ID          string // comes back when it is chosen; the title if the entry has no id
	Title       string
	Label       string // the title, as short as the platform wants it
	Description string // of a row: its description, or else the title of its section
	URL         string // of a button that opens a URL
	Row         bool   // it is a row of a list
}

// Choices returns the buttons, then the rows of all sections, in one list. It is for platforms that show both in one
// form. Labels longer than limit, counted in unit, are shortened; shortened says that this happened.
func (i *Interactive) Choices(limit int, unit textlimit.Unit) (list []Choice, shortened bool) {
	add := func(c Choice) {
		c.ID, c.Label = cmp.Or(c.ID, c.Title), textlimit.Shorten(c.Title, limit, unit)
		shortened = shortened || c.Label != c.Title
		list = append(list, c)
	}
	for _, b := range i.Buttons {
		choice := Choice{ID: b.ID, Title: b.Title}
		if b.Type == ButtonURL {
			choice.URL = b.URL
		}
		add(choice)
	}
	for _, section := range i.Sections {
		for _, row := range section.Rows {
			add(Choice{ID: row.ID, Title: row.Title, Description: cmp.Or(row.Description, section.Title), Row: true})
		}
	}
	return list, shortened
}
