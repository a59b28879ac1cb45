package connector

// Batch is what of one or more pages is new, with the state it leads to: the unit
// of commit.
type Batch struct{}
