package mover

// title is what people call an engine.
func (e Engine) Title() string { return titles[e] }

var titles = map[Engine]string{PostgreSQL: "PostgreSQL", MongoDB: "MongoDB"}

// standardMongoPort is where MongoDB listens when nobody says otherwise.
const StandardMongoPort = 27017
