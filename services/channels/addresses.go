package channels

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/url"

	"github.com/hiliosai/switchboard/action"
	"github.com/hiliosai/switchboard/integration"
	"github.com/hiliosai/switchboard/internal/egress"
)

// markAddresses marks a changed channel with the owner of its addresses. They are the tenant's as soon as a user of the
// tenant has set one of them, and the operator's again once the operator has set all of them.
func (m *Manager) markAddresses(ctx context.Context, before, ch *integration.Channel) error {
	def, _ := m.Platform(ch.Platform)
	changed, kept := changedAddresses(def, before, ch)
	switch {
	case m.forTenant:
		if err := m.checkAddresses(ctx, changed); err != nil {
			return err
		}
		if len(changed) > 0 || integration.ChoseAddresses(before.Settings) {
			ch.Settings = integration.WithChosenAddresses(ch.Settings)
		}
	case len(changed) > 0 && kept == 0 && integration.ChoseAddresses(before.Settings):
		ch.Settings = integration.WithoutChosenAddresses(ch.Settings)
	}
	return nil
}

// changedAddresses returns the addresses that a change sets, by the key of their field, and counts the unchanged ones.
func changedAddresses(
	def integration.Definition, before, ch *integration.Channel,
) (changed map[string]string, kept int) {
	changed = map[string]string{}
	for _, f := range def.Fields {
		if !f.Address {
			continue
		}
		switch value := f.Of(ch); value {
		case "":
		case f.Of(before):
			kept++
		default:
			changed[string(f.In)+"."+f.Name] = value
		}
	}
	return changed, kept
}

// checkAddresses refuses addresses that the guard refuses. A name that cannot be looked up now is checked again when it
// is called.
func (m *Manager) checkAddresses(ctx context.Context, addresses map[string]string) error {
	guard, resolver := m.Guard, m.Resolver
	if guard == nil {
		guard = &egress.Guard{}
	}
	if resolver == nil {
		resolver = net.DefaultResolver
	}
	var faults []action.Fault
	for key, address := range addresses {
		u, err := url.Parse(address)
		if err == nil && !errors.Is(guard.Check(ctx, u, resolver), egress.ErrRefused) {
			continue
		}
		host := ""
		if err == nil {
			host = u.Hostname()
		}
		faults = append(faults, action.Fault{Type: "addressRefused", Field: key, Message: fmt.Sprintf(
			"%s: %q is not a public address, or not known; egress.allow lists what else may be set", key, host)})
	}
	if len(faults) == 0 {
		return nil
	}
	return action.Validation(faults...)
}
