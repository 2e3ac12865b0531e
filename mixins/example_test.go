package mixins_test

import (
	"context"
	"database/sql"
	"fmt"

	"github.com/moleculer-go/moleculer"
	"github.com/sirupsen/logrus"

	"github.com/hiliosai/switchboard/action"
	"github.com/hiliosai/switchboard/cache"
	"github.com/hiliosai/switchboard/datasource"
	"github.com/hiliosai/switchboard/datasource/sqlite"
	"github.com/hiliosai/switchboard/mixins"
)

// A service that was written for moleculer-go alone gets datasources, memoised results and permissions.
func Example() {
	log := logrus.NewEntry(logrus.New())
	set, err := datasource.NewSet(log, sqlite.New("db", sqlite.Options{Path: "data/users.db"}))
	if err != nil {
		fmt.Println(err)
		return
	}
	results := cache.New(cache.NewMemory(cache.MemoryOptions{}), cache.Options{Log: log})
	users := moleculer.ServiceSchema{
		Name: "users",
		Mixins: []moleculer.Mixin{
			mixins.Permissions(), mixins.Memoize(results, cache.Keygen{}), mixins.Datasources(set, log),
		},
		Actions: []moleculer.Action{{
			Name: "count",
			Settings: map[string]any{
				"permissions": []string{"users.read"}, "cache": map[string]any{"keys": []string{}, "ttl": 60},
			},
			Handler: func(ctx moleculer.Context, _ moleculer.Payload) any {
				db, err := datasource.Get[*sql.DB](action.ContextOf(ctx), "db")
				if err != nil {
					return err
				}
				var n int
				if err := db.QueryRowContext(action.ContextOf(ctx), `SELECT count(*) FROM users`).Scan(&n); err != nil {
					return err
				}
				return n
			},
		}},
	}
	fmt.Println(users.Name, len(users.Mixins)) // broker.Publish(users), with the broker of cluster.Link
	fmt.Println(results.Close(), set.Close(context.Background()))
	// Output:
	// users 3
	// <nil> <nil>
}
