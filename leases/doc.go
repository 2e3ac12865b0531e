// Package leases gives each connection one owner among the nodes of a cluster.
package leases
