// Package settings reads doublelock.yaml and holds the environment contract that infra writes and handlers read.
// It validates and explains; it decides nothing and calls nobody.
package settings
