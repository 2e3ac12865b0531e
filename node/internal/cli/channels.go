package cli

import (
	"context"
	"errors"
	"fmt"
	"os"
	"slices"
	"strings"

	"github.com/sirupsen/logrus"
	"golang.org/x/term"

	"github.com/hiliosai/switchboard/action"
	"github.com/hiliosai/switchboard/channelstore"
	"github.com/hiliosai/switchboard/integration"
	"github.com/hiliosai/switchboard/internal/redact"
	"github.com/hiliosai/switchboard/node/internal/app"
	"github.com/hiliosai/switchboard/services/channels"
)

type channelsCommand struct {
	Apply  applyCommand  `cmd:"" help:"Create or replace the channels of a file, all or none."`
	List   listCommand   `cmd:"" help:"List the channels, with their secrets masked."`
	Get    getCommand    `cmd:"" help:"Show a channel, with its secrets masked."`
	Create createCommand `cmd:"" help:"Create a channel. On a terminal it asks for what is not given."`
	Update updateCommand `cmd:"" help:"Change some values of a channel."`
	Remove removeCommand `cmd:"" help:"Remove channels."`
	Test   testCommand   `cmd:"" help:"Ask the platform whether a channel can work, and say what to fix."`
	Setup  setupCommand  `cmd:"" help:"Set up at the platform where the channel's webhooks go; or show what would change."`
	Keys   keysCommand   `cmd:"" help:"Manage the keys that seal credentials in the database."`
}

// managing is what every command on channels gets.
type managing struct {
	ctx        context.Context
	log        *logrus.Logger
	secrets    *redact.Secrets
	extensions app.Extensions
}

func (f configFlag) manage(m managing, do func(*app.Channels) error) error {
	c, err := f.load(m.log, m.secrets)
	if err != nil {
		return err
	}
	m.log.SetLevel(min(m.log.Level, logrus.WarnLevel)) // the result is what was asked for
	list, err := app.OpenChannels(m.ctx, c, m.extensions, m.log, m.secrets)
	if err != nil {
		return err
	}
	return errors.Join(plain(do(list)), list.Close())
}

// plain shows what a Moleculer error says, a validation's faults each on a line.
func plain(err error) error {
	if faults := integration.FieldErrors(err); len(faults) > 0 {
		lines := make([]string, len(faults))
		for i, f := range faults {
			lines[i] = f.Error()
		}
		return errors.New(strings.Join(lines, "\n"))
	}
	if m, ok := errors.AsType[action.Moleculer](err); ok {
		return errors.New(m.MoleculerError().Message)
	}
	return err
}

// everyone may do everything: who can run commands can read the database.
func everyone(*integration.Channel) error { return nil }

type applyCommand struct {
	configFlag
	File           string `short:"f" required:"" help:"channels.yaml; - reads standard input." placeholder:"FILE"`
	DryRun         bool   `help:"Show what would change, and change nothing."`
	ChangePlatform bool   `help:"Let a channel become one of another platform."`
	Yes            bool   `short:"y" help:"Do not ask on a terminal."`
}

func (a *applyCommand) Run(
	ctx context.Context, log *logrus.Logger, secrets *redact.Secrets, extensions app.Extensions,
) error {
	return a.manage(managing{ctx, log, secrets, extensions}, func(list *app.Channels) error {
		file, err := list.ReadFile(a.File)
		if err != nil {
			return err
		}
		if err := a.show(ctx, list, file); err != nil || a.DryRun {
			return err
		}
		if err := list.Apply(ctx, file); err != nil {
			return err
		}
		fmt.Printf("%d channel(s) applied\n", len(file))
		return nil
	})
}

// show prints what a file changes, and asks whether it may, where it changes channels that are there.
func (a *applyCommand) show(ctx context.Context, list *app.Channels, file []*integration.Channel) error {
	differences, err := list.Differences(ctx, file)
	if err != nil {
		return err
	}
	var faults []error
	changed := 0
	out := os.Stderr // what was done is the result
	if a.DryRun {
		out = os.Stdout
	}
	for i, d := range differences {
		fmt.Fprintln(out, d)
		if len(d.Changes) > 0 {
			changed++
		}
		if d.Platform != "" && !a.ChangePlatform {
			faults = append(
				faults,
				fmt.Errorf(
					"channel %s belongs to %s and would become one of %s: give --change-platform if that is meant", d.ID, d.Platform,
					file[i].Platform,
				),
			)
		}
	}
	if len(faults) > 0 {
		return errors.Join(faults...)
	}
	if changed == 0 || a.DryRun {
		return nil
	}
	return confirm(a.Yes || a.File == "-", fmt.Sprintf("change %d channel(s)", changed))
}

type listCommand struct {
	configFlag
	outputFlag
	Tenant   string `help:"Only channels of this tenant." placeholder:"ID"`
	Platform string `help:"Only channels of this platform." placeholder:"NAME"`
}

func (l *listCommand) Run(
	ctx context.Context, log *logrus.Logger, secrets *redact.Secrets, extensions app.Extensions,
) error {
	return l.manage(managing{ctx, log, secrets, extensions}, func(list *app.Channels) error {
		views, err := list.List(ctx, channelstore.Query{TenantID: l.Tenant, Platform: l.Platform})
		if err != nil {
			return err
		}
		return l.print(views, func() error {
			return table(os.Stdout, func(row func(...string)) {
				row("ID", "TENANT", "PLATFORM", "STATUS", "CREDENTIALS", "SETTINGS")
				for _, v := range views {
					credentials := app.Pairs(v.Credentials)
					if v.Error != "" {
						credentials = "! " + v.Error
					}
					row(v.ID, v.TenantID, v.Platform, status(v), credentials, app.Pairs(v.Settings))
				}
			})
		})
	})
}

// status is a channel's, with who keeps its connections, which nodes have suspended it, and what else is wrong.
func status(v *channels.View) string {
	text := v.Status
	for _, c := range v.Connections {
		name := "connection"
		if c.Of > 1 {
			name = fmt.Sprintf("connection %d/%d", c.Index+1, c.Of)
		}
		switch {
		case c.Node == "":
			text += ", " + name + " has no node"
		case c.State == integration.ConnectionReady:
			text += ", " + name + " on " + c.Node
		default:
			text += ", " + name + " on " + c.Node + " " + c.State
		}
	}
	if len(v.Suspended) > 0 {
		nodes := make([]string, len(v.Suspended))
		for i, s := range v.Suspended {
			nodes[i] = s.NodeID
		}
		slices.Sort(nodes)
		text += ", suspended on " + strings.Join(nodes, ", ")
	}
	for _, c := range v.Conditions {
		if c.IsToldElsewhere() {
			continue
		}
		text += ", degraded: " + c.Code
		if c.Level > 0 {
			text += fmt.Sprintf(" %d %%", c.Level)
		}
		return text // the first is enough for a line
	}
	return text
}

type getCommand struct {
	configFlag
	ID string `arg:"" name:"id" help:"Channel id."`
}

func (g *getCommand) Run(
	ctx context.Context, log *logrus.Logger, secrets *redact.Secrets, extensions app.Extensions,
) error {
	return g.manage(managing{ctx, log, secrets, extensions}, func(list *app.Channels) error {
		view, err := list.Get(ctx, g.ID)
		if err != nil {
			return err
		}
		return printJSON(os.Stdout, view)
	})
}

type createCommand struct {
	configFlag
	ID       string            `arg:"" name:"id" help:"Channel id, part of the webhook's URL."`
	Platform string            `required:"" help:"Platform, such as telegram." placeholder:"NAME"`
	Tenant   string            `required:"" help:"Tenant." placeholder:"ID"`
	Name     string            `help:"A name for people." placeholder:"TEXT"`
	Inactive bool              `help:"Create it switched off."`
	Set      map[string]string `help:"Fields; secrets as file:PATH or env:NAME." placeholder:"FIELD=VALUE" mapsep:"none"`
}

func (c *createCommand) Run(
	ctx context.Context, log *logrus.Logger, secrets *redact.Secrets, extensions app.Extensions,
) error {
	return c.manage(managing{ctx, log, secrets, extensions}, func(list *app.Channels) error {
		fields, err := list.Fields(c.Platform)
		if err != nil {
			return err
		}
		ch := &integration.Channel{
			ID: c.ID, TenantID: c.Tenant, Platform: c.Platform, Name: c.Name, Status: integration.ChannelActive,
		}
		if c.Inactive {
			ch.Status = integration.ChannelInactive
		}
		given, err := read(fields, c.Set)
		if err != nil {
			return err
		}
		if err := ask(os.Stdin, os.Stderr, fields, given); err != nil {
			return err
		}
		ch.Credentials, ch.Settings = given.of(integration.InCredentials), given.of(integration.InSettings)
		view, err := list.Create(ctx, ch)
		if err != nil {
			return err
		}
		fmt.Printf("channel %s created\n", view)
		return nil
	})
}

type updateCommand struct {
	configFlag
	ID     string            `arg:"" name:"id" help:"Channel id."`
	Tenant *string           `help:"Tenant." placeholder:"ID"`
	Name   *string           `help:"A name for people." placeholder:"TEXT"`
	Status *string           `help:"ACTIVE or INACTIVE." placeholder:"STATUS"`
	Set    map[string]string `help:"Fields; secrets as file:PATH or env:NAME." placeholder:"FIELD=VALUE" mapsep:"none"`
	Unset  []string          `help:"Fields to remove." placeholder:"FIELD"`
}

func (u *updateCommand) Run(
	ctx context.Context, log *logrus.Logger, secrets *redact.Secrets, extensions app.Extensions,
) error {
	return u.manage(managing{ctx, log, secrets, extensions}, func(list *app.Channels) error {
		view, err := list.Get(ctx, u.ID)
		if err != nil {
			return err
		}
		fields, err := list.Fields(view.Platform)
		if err != nil {
			return err
		}
		if u.Tenant == nil && u.Name == nil && u.Status == nil && len(u.Set)+len(u.Unset) == 0 {
			return errors.New("nothing to change: give --set, --unset, --tenant, --name or --status")
		}
		given, err := read(fields, u.Set)
		if err != nil {
			return err
		}
		change := channels.Change{
			TenantID: u.Tenant, Name: u.Name, Status: u.Status,
			Credentials: pointers(given.of(integration.InCredentials)), Settings: pointers(given.of(integration.InSettings)),
		}
		for _, name := range u.Unset {
			f, err := field(fields, name)
			if err != nil {
				return err
			}
			if f.In == integration.InCredentials {
				change.Credentials[f.Name] = nil
			} else {
				change.Settings[f.Name] = nil
			}
		}
		if _, err := list.Update(ctx, u.ID, change, everyone); err != nil {
			return err
		}
		fmt.Printf("channel %s updated\n", u.ID)
		return nil
	})
}

func pointers(values map[string]string) map[string]*string {
	list := map[string]*string{}
	for k, v := range values {
		list[k] = &v
	}
	return list
}

type removeCommand struct {
	configFlag
	IDs []string `arg:"" name:"id" help:"Channel ids."`
	Yes bool     `short:"y" help:"Do not ask on a terminal."`
}

func (r *removeCommand) Run(
	ctx context.Context, log *logrus.Logger, secrets *redact.Secrets, extensions app.Extensions,
) error {
	return r.manage(managing{ctx, log, secrets, extensions}, func(list *app.Channels) error {
		if err := confirm(r.Yes, "remove "+strings.Join(r.IDs, ", ")); err != nil {
			return err
		}
		for _, id := range r.IDs {
			if err := list.Remove(ctx, id, everyone); err != nil {
				return err
			}
			fmt.Printf("channel %s removed\n", id)
		}
		return nil
	})
}

type testCommand struct {
	configFlag
	outputFlag
	ID string `arg:"" name:"id" help:"Channel id."`
}

func (t *testCommand) Run(
	ctx context.Context, log *logrus.Logger, secrets *redact.Secrets, extensions app.Extensions,
) error {
	return t.manage(managing{ctx, log, secrets, extensions}, func(list *app.Channels) error {
		diagnosis, err := list.Test(ctx, t.ID)
		if err != nil {
			return err
		}
		err = t.print(diagnosis, func() error {
			return table(os.Stdout, func(row func(...string)) {
				for _, f := range diagnosis.Findings {
					mark := "ok"
					if !f.OK {
						mark = "FAULT"
					}
					row(mark, f.Check, f.Message)
					if f.Fix != "" {
						row("", "", "→ "+f.Fix)
					}
				}
			})
		})
		if err == nil && !diagnosis.OK {
			err = fmt.Errorf("channel %s cannot work as it is", t.ID)
		}
		return err
	})
}

type keysCommand struct {
	Generate generateKeyCommand `cmd:"" help:"Print a new key for channels.keys of the configuration."`
	Rotate   rotateKeysCommand  `cmd:"" help:"Seal all channels with the first key. The others can go then."`
}

type generateKeyCommand struct {
	ID string `arg:"" name:"id" help:"A name for the key, such as k1."`
}

func (g *generateKeyCommand) Run() error {
	key, err := channelstore.GenerateKey(g.ID)
	if err == nil {
		fmt.Println(key)
	}
	return err
}

type rotateKeysCommand struct {
	configFlag
	Yes bool `help:"Do not ask, on a terminal, whether every node has the key."`
}

func (*rotateKeysCommand) Help() string {
	return "Restart every node with the new key in channels.keys first, behind the old one or before it: " +
		"a node without it can read no channel any more afterwards."
}

// confirmed asks on a terminal. Elsewhere nobody is there to answer.
func (r *rotateKeysCommand) confirmed() bool {
	if r.Yes || !term.IsTerminal(int(os.Stdin.Fd())) {
		return true
	}
	fmt.Fprint(
		os.Stderr,
		"A node that was not restarted with the new key can read no channel any more. Do all nodes have it? [y/N] ",
	)
	var said string
	_, _ = fmt.Fscanln(os.Stdin, &said) // nothing is no
	return strings.EqualFold(said, "y") || strings.EqualFold(said, "yes")
}

func (r *rotateKeysCommand) Run(
	ctx context.Context, log *logrus.Logger, secrets *redact.Secrets, extensions app.Extensions,
) error {
	if !r.confirmed() {
		return errors.New("nothing was changed")
	}
	return r.manage(managing{ctx, log, secrets, extensions}, func(list *app.Channels) error {
		result, err := list.Store.Rotate(ctx)
		fmt.Printf(
			"%d channel(s) sealed anew, %d were already, %d cannot be opened\n", result.Resealed, result.Already, result.Failed,
		)
		if err == nil && result.Failed > 0 {
			err = errors.New("some channels cannot be opened; channels list says why")
		}
		return err
	})
}
