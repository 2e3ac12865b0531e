package datasource_test

import (
	"context"
	"database/sql"
	"embed"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	"github.com/sirupsen/logrus"

	"github.com/hiliosai/switchboard/datasource"
	"github.com/hiliosai/switchboard/datasource/sqlite"
)

//go:embed testdata/migrations
var embedded embed.FS

// Users is a kind of datasource of a service's own, built on a database.
type Users struct{ db *sql.DB }

// Name returns a user's name.
func (u *Users) Name(ctx context.Context, id int) (name string, err error) {
	err = u.db.QueryRowContext(ctx, `SELECT name FROM users WHERE id = ?`, id).Scan(&name)
	return name, datasource.AsError(err)
}

func ExampleNew() {
	folder, err := os.MkdirTemp("", "example")
	if err != nil {
		fmt.Println(err)
		return
	}
	defer func() { _ = os.RemoveAll(folder) }()
	migrations, err := fs.Sub(embedded, "testdata/migrations")
	if err != nil {
		fmt.Println(err)
		return
	}
	set, err := datasource.NewSet(logrus.NewEntry(logrus.New()),
		sqlite.New("db", sqlite.Options{Path: filepath.Join(folder, "app.db"), Migrations: migrations}),
		datasource.New("users", func(ctx context.Context) (*Users, error) {
			db, err := datasource.Get[*sql.DB](ctx, "db")
			return &Users{db}, err
		}),
	)
	if err != nil {
		fmt.Println(err)
		return
	}
	ctx := context.Background()
	if err := set.Open(ctx); err != nil {
		fmt.Println(err)
		return
	}
	for _, h := range set.Health(ctx) {
		fmt.Println(h.Name, h.Status)
	}
	fmt.Println(askUser(set.Context(ctx)))
	fmt.Println(set.Close(ctx))
	// Output:
	// db healthy
	// users healthy
	// Ada <nil>
	// <nil>
}

// askUser is what a handler does: its context carries the datasources.
func askUser(ctx context.Context) (string, error) {
	users, err := datasource.Get[*Users](ctx, "users")
	if err != nil {
		return "", err
	}
	return users.Name(ctx, 1)
}

func ExampleGet() {
	set, err := datasource.NewSet(logrus.NewEntry(logrus.New()),
		datasource.New("greeting", func(context.Context) (string, error) { return "hello", nil }),
	)
	if err != nil {
		fmt.Println(err)
		return
	}
	ctx := set.Context(context.Background())
	_, err = datasource.Get[string](ctx, "greeting")
	fmt.Println(err)

	if err := set.Open(ctx); err != nil {
		fmt.Println(err)
		return
	}
	greeting, err := datasource.Get[string](ctx, "greeting")
	fmt.Println(greeting, err)
	_, err = datasource.Get[int](ctx, "greeting")
	fmt.Println(err)
	_, err = datasource.Get[string](ctx, "greetings")
	fmt.Println(err)
	fmt.Println(set.Close(ctx))
	// Output:
	// datasource "greeting" is not open
	// hello <nil>
	// datasource "greeting" is a string, not a int
	// there is no datasource "greetings"; there are: greeting
	// <nil>
}
