package whatsapp

import (
	"cmp"
	"encoding/json"
	"math"

	"github.com/hiliosai/switchboard/integration"
)

func (d *draft) addLocation(l *integration.Location) error {
	switch {
	case l == nil:
		return integration.Invalid("a location needs content.location")
	case !(math.Abs(l.Latitude) <= 90 && math.Abs(l.Longitude) <= 180):
		return integration.Invalid(
			"content.location is no point of the earth: latitudes end at 90 degrees, longitudes at 180",
		)
	}
	if l.Live {
		d.degraded.Add(integration.FeatureLocation, "fixed location")
	}
	d.request.Type = "location"
	d.request.Location = &outLocation{Latitude: l.Latitude, Longitude: l.Longitude, Name: l.Name, Address: l.Address}
	return nil
}

// addContacts adds contacts, "Contacts messages".
func (d *draft) addContacts(list []integration.Contact) error {
	if len(list) == 0 || len(list) > maxContacts {
		return integration.Invalid("content.contacts has %d entries; WhatsApp takes 1 to %d", len(list), maxContacts)
	}
	cards := make([]outCard, len(list))
	for i, c := range list {
		formatted := c.Name.Formatted
		if formatted == "" {
			formatted = joined(c.Name.First, c.Name.Last)
		}
		if formatted == "" {
			return integration.Invalid("contact %d has no name", i+1)
		}
		card := &cards[i]
		// The formatted name and at least one of its parts are required.
		card.Name = outName{Formatted: formatted, First: c.Name.First, Last: c.Name.Last}
		if c.Name.First == "" && c.Name.Last == "" {
			card.Name.First = formatted
		}
		for _, p := range c.Phones {
			card.Phones = append(card.Phones, outPhone{Phone: p.Phone, Type: p.Type, WaID: string(p.WaID)})
		}
		for _, email := range c.Emails {
			card.Emails = append(card.Emails, outEmail{email})
		}
		if c.Org != "" {
			card.Org = &outOrg{c.Org}
		}
	}
	d.request.Type, d.request.Contacts = "contacts", cards
	return nil
}

func joined(first, last string) string {
	if first == "" || last == "" {
		return cmp.Or(first, last)
	}
	return first + " " + last
}

// addTemplate adds a template, which WhatsApp has approved, "Templates". Its components have WhatsApp's own form.
func (d *draft) addTemplate(t *integration.Template) error {
	if t == nil || t.Name == "" || t.Language == "" {
		return integration.Invalid("a template needs content.template with name and language")
	}
	if err := integration.Within(platformTitle, t.Name, maxTemplateName, "the template's name"); err != nil {
		return err
	}
	for i, c := range t.Components {
		var component struct {
			Type string `json:"type"`
		}
		if json.Unmarshal(c, &component) != nil || component.Type == "" {
			return integration.Invalid("component %d of the template is no object with a type", i+1)
		}
	}
	d.request.Type = "template"
	d.request.Template = &outTemplate{Name: t.Name, Language: outLanguage{t.Language}, Components: t.Components}
	return nil
}
