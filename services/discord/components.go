package discord

import (
	"cmp"
	"net/url"
	"slices"
	"strconv"
	"strings"

	"github.com/hiliosai/switchboard/integration"
	"github.com/hiliosai/switchboard/integration/httpapi"
)

// Styles of buttons, "Button Styles".
const (
	stylePrimary   = 1
	styleSecondary = 2
	styleSuccess   = 3
	styleDanger    = 4
	styleLink      = 5
)

var styles = map[string]int{"primary": stylePrimary, "success": styleSuccess, "danger": styleDanger}

// rows makes the rows of components: first those of the buttons, then those of the list.
func rows(i *integration.Interactive) ([]actionRow, error) {
	if i == nil {
		return nil, nil
	}
	list, err := buttonRows(i.Buttons)
	if err != nil {
		return nil, err
	}
	menus, err := menuRows(i)
	if err != nil {
		return nil, err
	}
	if list = append(list, menus...); len(list) > maxRows {
		return nil, integration.Invalid("the buttons and sections need %d rows; Discord takes %d", len(list), maxRows)
	}
	return list, nil
}

// buttonRows fills rows with buttons.
func buttonRows(buttons []integration.Button) ([]actionRow, error) {
	if most := maxRows * maxButtonsInRow; len(buttons) > most {
		return nil, integration.Invalid("there are %d buttons; Discord takes %d", len(buttons), most)
	}
	items := make([]item, len(buttons))
	seen := map[string]bool{}
	for i := range buttons {
		var err error
		if items[i], err = button(i+1, &buttons[i]); err != nil {
			return nil, err
		}
		if id := items[i].CustomID; id != "" {
			if seen[id] {
				return nil, integration.Invalid("two buttons have the id %q", id)
			}
			seen[id] = true
		}
	}
	var list []actionRow
	for row := range slices.Chunk(items, maxButtonsInRow) {
		list = append(list, actionRow{componentRow, row})
	}
	return list, nil
}

func button(n int, b *integration.Button) (item, error) {
	out := item{Type: componentButton, Label: b.Title}
	if strings.TrimSpace(b.Title) == "" {
		return out, integration.Invalid("button %d has no title", n)
	}
	if err := integration.Within(platformTitle, b.Title, maxLabel, "the title of button %d", n); err != nil {
		return out, err
	}
	switch b.Type {
	case integration.ButtonReply, "":
		out.Style, out.CustomID = cmp.Or(styles[b.Style], styleSecondary), cmp.Or(b.ID, b.Title)
		return out, integration.Within(platformTitle, out.CustomID, maxCustomID, "the id of button %d", n)
	case integration.ButtonURL:
		out.Style, out.URL = styleLink, b.URL
		if u, err := url.Parse(b.URL); err != nil || u.Scheme != "discord" && !httpapi.IsLink(b.URL) {
			return out, integration.Invalid("the url of button %d is not an http, https or discord URL", n)
		}
		return out, integration.Within(platformTitle, b.URL, maxButtonURL, "the url of button %d", n)
	default:
		return out, integration.UnsupportedContent("button %d is of type %q; Discord has reply and url", n, b.Type)
	}
}

// menuRows makes a menu of each section, since menus have no sections. The section's title is shown until an entry is
// chosen.
func menuRows(i *integration.Interactive) ([]actionRow, error) {
	var list []actionRow
	for n, section := range i.Sections {
		if len(section.Rows) == 0 {
			return nil, integration.Invalid("section %d has no rows", n+1)
		}
		if len(section.Rows) > maxOptions {
			return nil, integration.Invalid("section %d has %d rows; Discord takes %d", n+1, len(section.Rows), maxOptions)
		}
		menu := item{
			Type: componentSelect, CustomID: "list:" + strconv.Itoa(n+1), Placeholder: cmp.Or(section.Title, i.ButtonLabel),
		}
		err := integration.Within(platformTitle, menu.Placeholder, maxPlaceholder, "the title of section %d", n+1)
		if err != nil {
			return nil, err
		}
		seen := map[string]bool{}
		for r := range section.Rows {
			o, err := option(n+1, r+1, &section.Rows[r])
			if err != nil {
				return nil, err
			}
			if seen[o.Value] {
				return nil, integration.Invalid("two rows of section %d have the id %q", n+1, o.Value)
			}
			seen[o.Value] = true
			menu.Options = append(menu.Options, o)
		}
		list = append(list, actionRow{componentRow, []item{menu}})
	}
	return list, nil
}

func option(section, n int, row *integration.Row) (optionToShow, error) {
	o := optionToShow{Label: row.Title, Value: cmp.Or(row.ID, row.Title), Description: row.Description}
	if strings.TrimSpace(row.Title) == "" {
		return o, integration.Invalid("row %d of section %d has no title", n, section)
	}
	for _, part := range []struct {
		name, text string
		most       int
	}{
		{"title", o.Label, maxOptionLabel},
		{"id", o.Value, maxOptionValue},
		{"description", o.Description, maxOptionDescription},
	} {
		what := "the " + part.name + " of row %d of section %d"
		if err := integration.Within(platformTitle, part.text, part.most, what, n, section); err != nil {
			return o, err
		}
	}
	return o, nil
}
