// Package fleet looks whether Doublelock is deployed everywhere and alive: each account and Region, the policies of
// the organization, and the hub.
//
// It only reads. What it could not find out is reported as such and never as healthy, and one account that cannot be
// entered is a row of its report, not its end.
package fleet
