// Package trails reads CloudTrail: what it recorded, and whether it records.
package trails
