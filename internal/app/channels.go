package app

import (
	"context"
	"errors"
	"fmt"
	"os"
	"strings"

	"github.com/hiliosai/switchboard/datasource/channelstore"
	"github.com/hiliosai/switchboard/integration"
	"github.com/hiliosai/switchboard/integration/httpapi"
	"github.com/hiliosai/switchboard/internal/config"
	"github.com/hiliosai/switchboard/internal/strictyaml"
)

// Channels manages the channel store outside of a running node, which sees changes at once.
type Channels struct {
	store     *channelstore.SQLite
	platforms map[string]integration.Definition // by platform
}

// OpenChannels opens the store that the configuration names.
func OpenChannels(ctx context.Context, c *config.Config) (*Channels, error) {
	store, err := channelstore.OpenSQLite(ctx, c.Channels.DSN)
	if err != nil {
		return nil, err
	}
	client := httpapi.New() // makes no call: definitions want one
	all := map[string]integration.Definition{}
	for _, def := range platforms(client) {
		all[def.Spec.Platform] = def
	}
	return &Channels{store, all}, nil
}

// Close closes the store.
func (c *Channels) Close() error { return c.store.Close() }

// channelsFile is the form of channels.yaml.
type channelsFile struct {
	Channels []struct {
		ID          string                       `yaml:"id"`
		TenantID    string                       `yaml:"tenantId"`
		Platform    string                       `yaml:"platform"`
		Name        string                       `yaml:"name"`
		Status      string                       `yaml:"status"`
		Credentials map[string]strictyaml.Secret `yaml:"credentials"`
		Settings    map[string]string            `yaml:"settings"`
	} `yaml:"channels"`
}

// ApplyFile creates or replaces the channels of a file, all or none, and returns how many there are. Faults name file, line and key.
func (c *Channels) ApplyFile(ctx context.Context, path string) (int, error) {
	data, err := os.ReadFile(path) // #nosec G304 -- the operator names the file
	if err != nil {
		return 0, fmt.Errorf("cannot read the channels: %w", err)
	}
	var file channelsFile
	source, err := strictyaml.Decode(path, data, &file)
	if err != nil {
		return 0, err
	}
	var faults []error
	seen := map[string]bool{}
	channels := make([]*integration.Channel, len(file.Channels))
	for i, entry := range file.Channels {
		key := fmt.Sprintf("channels[%d]", i)
		ch := &integration.Channel{
			ID: entry.ID, TenantID: entry.TenantID, Platform: entry.Platform, Name: entry.Name,
			Status: strings.ToUpper(entry.Status), Credentials: map[string]string{}, Settings: entry.Settings,
		}
		if ch.Status == "" {
			ch.Status = integration.StatusActive
		}
		for name, secret := range entry.Credentials {
			ch.Credentials[name] = secret.Reveal()
		}
		if seen[ch.ID] && ch.ID != "" {
			faults = append(faults, source.Fault(key+".id", "there is another channel %q in this file", ch.ID))
		}
		seen[ch.ID] = true
		faults = append(faults, c.faults(source, key, ch)...)
		channels[i] = ch
	}
	if len(channels) == 0 {
		faults = append(faults, source.Fault("channels", "is missing or empty"))
	}
	if len(faults) > 0 {
		return 0, errors.Join(faults...)
	}
	return len(channels), c.store.Apply(ctx, channels)
}

// faults places what is wrong with a channel in its file.
func (c *Channels) faults(source strictyaml.Source, key string, ch *integration.Channel) []error {
	def, ok := c.platforms[ch.Platform]
	if !ok {
		return []error{source.Fault(key+".platform", "no such platform %q; there are: %s", ch.Platform, strings.Join(sortedKeys(c.platforms), ", "))}
	}
	err := integration.ValidateChannel(ch, def.Fields)
	if err == nil {
		return nil
	}
	joined, ok := err.(interface{ Unwrap() []error })
	if !ok {
		return []error{err}
	}
	var faults []error
	for _, e := range joined.Unwrap() {
		var field *integration.FieldError
		if errors.As(e, &field) {
			faults = append(faults, source.Fault(key+"."+field.Key, "%s", field.Msg))
		} else {
			faults = append(faults, e)
		}
	}
	return faults
}

// List returns all channels, their secrets masked.
func (c *Channels) List(ctx context.Context) ([]*integration.Channel, error) {
	list, err := c.store.List(ctx)
	if err != nil {
		return nil, err
	}
	for i, ch := range list {
		list[i] = ch.Masked(c.platforms[ch.Platform].Fields)
	}
	return list, nil
}

// Remove deletes a channel.
func (c *Channels) Remove(ctx context.Context, id string) error {
	err := c.store.Remove(ctx, id)
	if errors.Is(err, integration.ErrChannelNotFound) {
		return fmt.Errorf("there is no channel %q", id)
	}
	return err
}

// Pairs shows a channel's values in one line.
func Pairs(m map[string]string) string {
	pairs := make([]string, 0, len(m))
	for _, k := range sortedKeys(m) {
		pairs = append(pairs, k+"="+m[k])
	}
	return strings.Join(pairs, " ")
}
