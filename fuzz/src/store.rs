//! Any bytes as what a xenstored sends, to a client that makes one request after the other.
//!
//! The input is one stream. The client's next operation is a byte of it, and so is each thing that the store does when
//! the client looks into the ring (`store_peer` has both lists). What must hold whatever comes: every operation ends,
//! an error is one line, after one on the wire nothing but a restart helps, a refusal changes nothing, and what the
//! client keeps has limits.

use xen::store::{Client, LONGEST, StoreError, Transaction, WatchEvent};

use super::assert_one_line;
use super::store_peer::Peer;

/// Most operations of an input.
const OPERATIONS: u32 = 64;
/// Most events that a client keeps.
const MOST_EVENTS: usize = 32;

/// Makes the requests that `data` asks for, of the store that it describes.
pub fn run(data: &[u8]) {
    let mut peer = Peer::new(data);
    let mut user = User { client: Client::new(), transaction: None, state: State::Sound };
    for _ in 0..OPERATIONS {
        let Some(operation) = peer.byte() else { break };
        peer.count = 0;
        let result = user.operate(operation, &mut peer);
        user.judge(result, &peer);
    }
    user.assert_few_events(&peer);
    user.client.restart();
    peer.become_honest();
    assert_eq!(user.client.read("name", &mut peer), Ok(b"name".to_vec()), "a restart helps");
}

/// What the client has said of its connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    Sound,
    /// What came made no sense.
    Lost,
    /// Half a request may be in the ring.
    Doubtful,
}

struct User {
    client: Client,
    transaction: Option<Transaction>,
    state: State,
}

impl User {
    fn operate(&mut self, operation: u8, peer: &mut Peer<'_>) -> Result<(), StoreError> {
        let client = &mut self.client;
        match operation % 12 {
            0 => client.read("name", peer).map(|value| assert!(value.len() <= LONGEST)),
            1 => client.write("data/value", b"value", peer),
            2 => client.write("data/large", &[7; 3000], peer),
            3 => client.directory("data", peer).map(|names| {
                assert!(names.iter().map(|name| name.len() + 1).sum::<usize>() <= LONGEST + 1);
                assert!(names.iter().all(|name| !name.is_empty() && !name.contains('\0')));
            }),
            4 => client.watch("memory/target", "token", peer),
            5 => client.remove("data/value", peer),
            6 => client.begin(peer).map(|transaction| self.transaction = Some(transaction)),
            7 => match self.transaction.take() {
                Some(transaction) => client.commit(transaction, peer),
                None => Ok(()),
            },
            8 => match self.transaction {
                Some(transaction) => client.write_in(transaction, "data/value", b"1", peer),
                None => client.write("data/too-long", &[0; LONGEST], peer),
            },
            9 => match self.transaction {
                Some(transaction) => client.read_in(transaction, "a\nb\u{1b}", peer).map(drop),
                None => client.read("a\nb\u{1b}", peer).map(drop),
            },
            10 => client.event(peer).map(|event| event.iter().for_each(assert_fits)),
            _ => {
                client.restart();
                (self.transaction, self.state) = (None, State::Sound);
                Ok(())
            }
        }
    }

    /// Looks at what an operation has come to.
    fn judge(&mut self, result: Result<(), StoreError>, peer: &Peer<'_>) {
        let Err(error) = result else { return };
        assert_one_line(&error);
        match error {
            StoreError::Wrong(_) => {
                assert_ne!(self.state, State::Lost, "nothing is read from a connection that is lost");
                self.state = State::Lost;
                self.assert_broken(peer);
            }
            StoreError::Broken => assert_ne!(self.state, State::Sound, "there was no reason"),
            StoreError::Refused { .. } => self.assert_usable(peer),
            StoreError::Silent { .. } => self.state = State::Doubtful,
            StoreError::TooLong { bytes } => assert!(bytes > LONGEST),
        }
        if self.state == State::Lost {
            self.assert_broken(peer);
        }
    }

    /// Nothing touches the ring any more.
    fn assert_broken(&self, peer: &Peer<'_>) {
        let (mut client, mut peer) = (self.client.clone(), peer.clone());
        peer.become_honest();
        peer.count = 0;
        assert_eq!(client.read("name", &mut peer), Err(StoreError::Broken));
        assert_eq!(client.write("name", b"", &mut peer), Err(StoreError::Broken));
        assert_eq!(client.event(&mut peer), Err(StoreError::Broken));
        assert_eq!(peer.count, 0, "a lost ring is left alone");
    }

    /// With a store that does as it should from here on, the next request is answered.
    fn assert_usable(&self, peer: &Peer<'_>) {
        let (mut client, mut peer) = (self.client.clone(), peer.clone());
        peer.become_honest();
        assert_eq!(client.read("name", &mut peer), Ok(b"name".to_vec()));
    }

    /// What was kept comes out again, and there is not much of it.
    fn assert_few_events(&self, peer: &Peer<'_>) {
        let (mut client, mut peer) = (self.client.clone(), peer.clone());
        peer.become_honest();
        let mut events = 0;
        while let Ok(Some(event)) = client.event(&mut peer) {
            assert_fits(&event);
            events += 1;
            assert!(events <= MOST_EVENTS, "more are kept");
        }
    }
}

/// An event is no longer than the message that it came in.
fn assert_fits(event: &WatchEvent) {
    assert!(event.path.len() + event.token.len() + 2 <= LONGEST);
}
