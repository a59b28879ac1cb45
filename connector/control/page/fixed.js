// What is fixed: paces, bounds, and what states are called.

export const PAGE = 50 // collections shown at once
export const PACE = 5000 // ms between two looks at what is shown
export const GAP = 1000 // ms between two looks at least, however much happens
export const AGAIN = 2000 // ms between two tries while the connector does not answer
export const RARE = 3 // of how many looks one asks for sources and process too
export const CARDS = 12 // sources shown at once
export const EVENTS = 60 // lines of events kept
export const FOLD = 9 // unchanged lines in a row that are folded
export const LINES = 400 // of a version that is compared, until more is asked for
export const FIRST = 16 // of one that is not

export const STATES = ['stopped', 'reauth_required', 'quarantined', 'backoff', 'restoring', 'paused', 'running']
export const WORDS = { reauth_required: 'sign in again' }
export const WRONG = ['stopped', 'reauth_required', 'quarantined', 'backoff']
export const MEANS = {
  running: 'Pulls succeed',
  restoring: 'Its lane is being acquired',
  backoff: 'A request failed and is tried again',
  quarantined: 'Its topic cannot be written; it is tried alone',
  stopped: 'Until a person has acted',
  paused: 'By an operator',
  reauth_required: 'The source refuses the credential until a person has acted',
}
