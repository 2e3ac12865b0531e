package slack

import (
	"fmt"
	"net/url"
	"strconv"
	"strings"

	"github.com/hiliosai/switchboard/integration"
)

// newSubstitute writes out what Slack has no message for.
func newSubstitute(c *integration.Content) (*draft, error) {
	d := &draft{}
	var lines []string
	if text := strings.TrimSpace(c.Text); text != "" {
		lines = append(lines, escaper.Replace(text))
	}
	switch {
	case c.Type == integration.TypeLocation && c.Location == nil:
		return nil, invalid("content of type %s needs content.location", c.Type)
	case c.Type == integration.TypeLocation:
		lines = append(lines, locationLines(c.Location)...)
		d.degraded = []integration.Degradation{{Feature: integration.FeatureLocation, Became: "text"}}
	case len(c.Contacts) == 0:
		return nil, invalid("content of type %s needs content.contacts", c.Type)
	default:
		for i := range c.Contacts {
			lines = append(lines, contactLines(&c.Contacts[i])...)
		}
		d.degraded = []integration.Degradation{{Feature: integration.FeatureContact, Became: "text"}}
	}
	markedUp := integration.Content{Text: strings.Join(lines, "\n"), Format: formatMarkup}
	return d, d.addText(&markedUp)
}

// locationLines are a place's name, its address and a link to a map.
func locationLines(l *integration.Location) []string {
	point := strconv.FormatFloat(l.Latitude, 'f', -1, 64) + "," + strconv.FormatFloat(l.Longitude, 'f', -1, 64)
	var lines []string
	for _, text := range []string{l.Name, l.Address} {
		if text != "" {
			lines = append(lines, escaper.Replace(text))
		}
	}
	link := "https://www.google.com/maps/search/?api=1&query=" + url.QueryEscape(point)
	if u, err := url.Parse(l.URL); err == nil && (u.Scheme == "https" || u.Scheme == "http") {
		link = l.URL
	}
	return append(lines, linkTo(link, point))
}

// contactLines are what an address book knows of somebody.
func contactLines(c *integration.Contact) []string {
	name := c.Name.Formatted
	if name == "" {
		name = strings.TrimSpace(c.Name.First + " " + c.Name.Last)
	}
	var lines []string
	add := func(text string) {
		if text != "" {
			lines = append(lines, escaper.Replace(text))
		}
	}
	add(name)
	add(c.Org)
	for _, p := range c.Phones {
		if p.Type != "" {
			add(fmt.Sprintf("%s (%s)", p.Phone, p.Type))
		} else {
			add(p.Phone)
		}
	}
	for _, email := range c.Emails {
		add(email)
	}
	if len(lines) == 0 {
		add(c.VCard)
	}
	return lines
}
