package integration

import (
	"cmp"

	"github.com/hiliosai/switchboard/integration/textlimit"
)

// Choice is one entry that a message offers: a button, or a row of a list.
type Choice struct {
	ID          string // comes back when it is chosen; the title if the entry has no id
	Title       string
	Description string // of a row: its own, or else the title of its section
	URL         string // of a button that opens it
}

// Choices are all that a message offers, in one list.
type Choices []Choice

// Choices returns the buttons, then the rows of all sections, for platforms that show both in one form.
func (i *Interactive) Choices() (list Choices) {
	for _, b := range i.Buttons {
		choice := Choice{ID: cmp.Or(b.ID, b.Title), Title: b.Title}
		if b.Type == ButtonURL {
			choice.URL = b.URL
		}
		list = append(list, choice)
	}
	for _, section := range i.Sections {
		for _, row := range section.Rows {
			list = append(list, Choice{
				ID: cmp.Or(row.ID, row.Title), Title: row.Title, Description: cmp.Or(row.Description, section.Title),
			})
		}
	}
	return list
}

// LongestTitle returns the size in unit of the longest title, to find a form that has room for all.
func (list Choices) LongestTitle(unit textlimit.Unit) (size int) {
	for _, c := range list {
		size = max(size, unit(c.Title))
	}
	return size
}
