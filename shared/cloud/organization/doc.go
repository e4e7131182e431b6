// Package organization reads AWS Organizations: accounts, OUs, and the policies attached to them.
package organization
