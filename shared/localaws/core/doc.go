// Package core is what every service of the local AWS stands on: one state lock, the wire protocols, credentials,
// authorization, and the services that belong to the world itself: IAM, STS, Organizations and CloudTrail. It knows no
// other service: those bring their operations as a table, and keep their state here by type, see Regional and Global.
package core
