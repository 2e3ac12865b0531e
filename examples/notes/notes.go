// Package notes is an example of a service: tenants keep notes in a database of the service's own.
package notes

import (
	"database/sql"
	"embed"
	"errors"
	"time"

	"github.com/moleculer-go/moleculer"

	"github.com/hiliosai/switchboard/action"
	"github.com/hiliosai/switchboard/datasource"
	"github.com/hiliosai/switchboard/datasource/sqlite"
	"github.com/hiliosai/switchboard/integration"
	"github.com/hiliosai/switchboard/mixins"
)

//go:embed *.sql
var migrations embed.FS

// Note is what notes.get and notes.list answer with.
type Note struct {
	ID   int64  `json:"id"`
	Text string `json:"text"`
}

// Definition defines the service, which keeps its notes in the SQLite file at path.
func Definition(path string) integration.ServiceDefinition {
	return integration.ServiceDefinition{
		Name:        "notes",
		Version:     "1",
		Datasources: []datasource.Definition{sqlite.New("db", sqlite.Options{Path: path, Migrations: migrations})},
		Actions: []moleculer.Action{
			integration.NewAction("add", add, action.Spec{Rest: "POST /", Permissions: []string{"notes.write"}}),
			integration.NewAction("get", get, action.Spec{Rest: "GET /:id", Permissions: []string{"notes.read", "notes.write"}}),
			integration.NewAction("list", list, action.Spec{
				Rest: "GET /", Permissions: []string{"notes.read", "notes.write"},
				Cache: &action.CacheRule{Keys: []string{"#tenantId", "limit"}, TTL: time.Minute},
			}),
		},
		Events: []moleculer.Event{integration.NewEvent("tenant.removed", "", forget)},
	}
}

// AddParams are a new note.
type AddParams struct {
	Text string `json:"text" params:"trim|min:1|max:500"`
}

func add(ctx *integration.Context, in AddParams) (*Note, error) {
	tenant, err := ctx.RequireTenant()
	if err != nil {
		return nil, err
	}
	db, err := datasource.Get[*sql.DB](ctx, "db")
	if err != nil {
		return nil, err
	}
	note := &Note{Text: in.Text}
	row := db.QueryRowContext(ctx, `INSERT INTO notes (tenant, text) VALUES (?, ?) RETURNING id`, tenant, note.Text)
	if err := row.Scan(&note.ID); err != nil {
		return nil, err
	}
	ctx.Log().WithField("note", note.ID).Info("note added")
	if err := mixins.Clean(ctx); err != nil { // the lists that are cached, on every node
		return nil, err
	}
	return note, ctx.SendToChannel("notes.added", note)
}

// GetParams name a note. Convert: as part of a path the id comes as text.
type GetParams struct {
	ID int64 `json:"id" params:"convert"`
}

func get(ctx *integration.Context, in GetParams) (*Note, error) {
	db, err := datasource.Get[*sql.DB](ctx, "db")
	if err != nil {
		return nil, err
	}
	note := &Note{ID: in.ID}
	err = db.QueryRowContext(ctx, `SELECT text FROM notes WHERE id = ? AND tenant = ?`, in.ID, ctx.TenantID()).
		Scan(&note.Text)
	if errors.Is(err, sql.ErrNoRows) {
		return nil, action.Client(404, "NOTE_NOT_FOUND", "there is no note %d", in.ID)
	}
	return note, err
}

// ListParams bound a list.
type ListParams struct {
	Limit int `json:"limit" params:"convert|min:1|max:100|default:20"`
}

func list(ctx *integration.Context, in ListParams) ([]Note, error) {
	db, err := datasource.Get[*sql.DB](ctx, "db")
	if err != nil {
		return nil, err
	}
	rows, err := db.QueryContext(
		ctx, `SELECT id, text FROM notes WHERE tenant = ? ORDER BY id LIMIT ?`, ctx.TenantID(), in.Limit,
	)
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	notes := []Note{}
	for rows.Next() {
		var n Note
		if err := rows.Scan(&n.ID, &n.Text); err != nil {
			return nil, err
		}
		notes = append(notes, n)
	}
	return notes, rows.Err()
}

// TenantRemoved is the data of tenant.removed.
type TenantRemoved struct {
	ID string `json:"id"`
}

// forget removes what a tenant left behind.
func forget(ctx *integration.Context, tenant TenantRemoved) error {
	db, err := datasource.Get[*sql.DB](ctx, "db")
	if err != nil {
		return err
	}
	_, err = db.ExecContext(ctx, `DELETE FROM notes WHERE tenant = ?`, tenant.ID)
	return err
}
