//! Two streams on an imagined channel: closing, resetting, dropping.

use std::{
    cell::{Cell, RefCell},
    collections::VecDeque,
    rc::Rc,
};

use futures::{AsyncReadExt, AsyncWriteExt, executor::block_on, task::noop_waker};

use super::*;
use crate::webrtc::frame::MAX_FRAME;

/// What one end has sent and the other has not taken yet.
#[derive(Debug, Default)]
struct Wire {
    messages: VecDeque<Vec<u8>>,
    closed: bool,
    full: bool,
}

#[derive(Debug)]
struct End {
    first: bool,
    knows: Cell<bool>,
    ours: Rc<RefCell<Wire>>,
    theirs: Rc<RefCell<Wire>>,
}

impl Channel for End {
    fn next(&self, _: Option<&Waker>) -> Next {
        let mut wire = self.theirs.borrow_mut();
        match wire.messages.pop_front() {
            Some(message) => Next::Message(message.into()),
            None if wire.closed => Next::Closed,
            None => Next::Nothing,
        }
    }

    fn poll_ready(&self, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        match self.ours.borrow().full {
            true => Poll::Pending,
            false => Poll::Ready(Ok(())),
        }
    }

    fn send(&self, message: &[u8]) -> io::Result<()> {
        self.ours.borrow_mut().messages.push_back(message.to_vec());
        Ok(())
    }

    fn close(&self) {
        self.ours.borrow_mut().closed = true;
        self.theirs.borrow_mut().closed = true;
    }

    fn max_frame(&self) -> usize {
        MAX_FRAME
    }

    fn closes_first(&self) -> bool {
        self.first
    }

    fn knows_fin_ack(&self) -> bool {
        self.knows.get()
    }

    fn learn_fin_ack(&self) {
        self.knows.set(true);
    }
}

type Half = (Stream<End>, Keeper<End>);

fn pair() -> (Half, Half) {
    let (a, b) = (Rc::default(), Rc::default());
    let one = End {
        first: true,
        knows: Cell::new(false),
        ours: Rc::clone(&a),
        theirs: Rc::clone(&b),
    };
    let other = End {
        first: false,
        knows: Cell::new(false),
        ours: b,
        theirs: a,
    };
    (open(one), open(other))
}

fn poll(keeper: &mut Keeper<End>) -> Poll<io::Result<()>> {
    keeper.poll_unpin(&mut Context::from_waker(&noop_waker()))
}

#[test]
fn bytes_cross_in_messages_of_the_allowed_length() {
    let ((mut one, _), (mut other, _)) = pair();
    let sent: Vec<u8> = (0..100_000_u32).map(|n| n as u8).collect();
    block_on(async {
        one.write_all(&sent).await.unwrap();
        one.close().await.unwrap();
        let wire = lock(&one.0).channel.ours.clone();
        assert!(
            wire.borrow()
                .messages
                .iter()
                .all(|one| one.len() <= MAX_FRAME)
        );
        let mut read = Vec::new();
        other.read_to_end(&mut read).await.unwrap();
        assert_eq!(read, sent);
        // The other direction is still open.
        other.write_all(b"thanks").await.unwrap();
        let mut answer = [0; 6];
        one.read_exact(&mut answer).await.unwrap();
        assert_eq!(&answer, b"thanks");
        assert_eq!(
            one.write(b"more").await.unwrap_err().kind(),
            io::ErrorKind::BrokenPipe
        );
    });
}

#[test]
fn a_channel_closes_when_both_sides_have_confirmed() {
    let ((mut one, mut left), (mut other, mut right)) = pair();
    block_on(async {
        one.write_all(b"question").await.unwrap();
        one.close().await.unwrap();
        drop(one);
        assert!(poll(&mut left).is_pending(), "nothing is confirmed");
        let mut read = Vec::new();
        other.read_to_end(&mut read).await.unwrap();
        assert_eq!(read, b"question");
        assert!(
            poll(&mut left).is_pending(),
            "the other side may still write"
        );
        other.close().await.unwrap();
    });
    let wire = lock(&other.0).channel.ours.clone();
    drop(other);
    assert!(
        poll(&mut right).is_pending(),
        "the last word is the other's"
    );
    assert!(!wire.borrow().closed);
    assert!(poll(&mut left).is_ready());
    assert!(wire.borrow().closed);
    assert!(poll(&mut right).is_ready());
}

#[test]
fn whoever_reads_late_has_everything() {
    let ((mut one, mut left), (mut other, _right)) = pair();
    block_on(async {
        one.write_all(b"all of it").await.unwrap();
        one.close().await.unwrap();
        other.close().await.unwrap();
    });
    drop(one);
    assert!(poll(&mut left).is_pending());
    let mut read = Vec::new();
    block_on(other.read_to_end(&mut read)).unwrap();
    assert_eq!(read, b"all of it");
}

#[test]
fn a_dropped_stream_is_a_reset_one() {
    let ((mut one, mut left), (mut other, _right)) = pair();
    block_on(one.write_all(b"half of")).unwrap();
    drop(one);
    assert!(poll(&mut left).is_ready());
    let mut read = Vec::new();
    let error = block_on(other.read_to_end(&mut read)).unwrap_err();
    assert_eq!(error.kind(), io::ErrorKind::ConnectionReset);
    let error = block_on(other.write(b"?")).unwrap_err();
    assert_eq!(error.kind(), io::ErrorKind::BrokenPipe);
}

/// js-libp2p reads to the end and then hears nothing bad.
#[test]
fn a_stream_dropped_after_the_others_end_is_no_reset_one() {
    let ((mut one, mut left), (mut other, mut right)) = pair();
    block_on(async {
        one.write_all(b"ping").await.unwrap();
        one.close().await.unwrap();
        other.read_to_end(&mut Vec::new()).await.unwrap();
    });
    drop(other);
    assert!(poll(&mut right).is_pending());
    assert_eq!(block_on(one.read(&mut [0; 8])).unwrap(), 0);
    drop(one);
    assert!(poll(&mut left).is_ready());
    assert!(poll(&mut right).is_ready());
}

/// A node that is told to stop closes the channel itself, and node-datachannel 0.33 then resets its number twice.
#[test]
fn whoever_has_said_everything_stops_the_other_only_if_it_goes_on() {
    let ((mut one, mut left), (mut other, _right)) = pair();
    let sent = lock(&one.0).channel.ours.clone();
    block_on(one.close()).unwrap();
    drop(one);
    assert!(poll(&mut left).is_pending());
    assert_eq!(sent.borrow().messages.len(), 1, "FIN and nothing else");
    block_on(other.write_all(b"but")).unwrap();
    assert!(poll(&mut left).is_pending());
    let error = block_on(other.write(b"listen")).unwrap_err();
    assert_eq!(error.kind(), io::ErrorKind::BrokenPipe);
}

#[test]
fn a_channel_that_closes_without_a_word_is_no_end() {
    let ((one, _left), (mut other, _right)) = pair();
    lock(&one.0).channel.close();
    let error = block_on(other.read(&mut [0; 8])).unwrap_err();
    assert_eq!(error.kind(), io::ErrorKind::ConnectionReset);
}

#[test]
fn whoever_only_writes_hears_that_nobody_reads() {
    let ((mut one, _left), (other, mut right)) = pair();
    block_on(one.write_all(b"listen")).unwrap();
    drop(other);
    assert!(poll(&mut right).is_pending());
    let error = block_on(one.write(b"hello?")).unwrap_err();
    assert_eq!(error.kind(), io::ErrorKind::BrokenPipe);
}

#[test]
fn a_full_channel_stops_the_writer_and_not_the_flags() {
    let ((mut one, _left), (mut other, _right)) = pair();
    lock(&one.0).channel.ours.borrow_mut().full = true;
    let waker = noop_waker();
    let mut cx = Context::from_waker(&waker);
    assert!(
        Pin::new(&mut one)
            .poll_write(&mut cx, b"later")
            .is_pending()
    );
    block_on(one.close()).unwrap();
    assert_eq!(block_on(other.read(&mut [0; 8])).unwrap(), 0);
}

#[test]
fn a_message_that_breaks_a_rule_ends_the_stream_with_its_name() {
    let ((one, _left), (mut other, _right)) = pair();
    lock(&one.0).channel.send(&[0xff, 0xff, 0x7f, 0]).unwrap();
    let error = block_on(other.read(&mut [0; 8])).unwrap_err();
    assert_eq!(error.kind(), io::ErrorKind::InvalidData);
    assert!(error.to_string().contains("16384 allowed"), "{error}");
}

/// js-libp2p waits for it before it does anything else; libp2p's ping does not read meanwhile.
#[test]
fn a_fin_is_answered_while_nobody_reads_once_the_other_side_knows_how() {
    let ((mut one, _left), (other, mut right)) = pair();
    let waiting = |of: &Stream<End>| lock(&of.0).channel.ours.borrow().messages.len();
    block_on(one.close()).unwrap();
    assert!(poll(&mut right).is_pending());
    assert_eq!(waiting(&other), 0, "our half is not done");
    let ((mut one, _left), (other, mut right)) = pair();
    lock(&other.0).channel.learn_fin_ack();
    block_on(one.close()).unwrap();
    assert!(poll(&mut right).is_pending());
    assert_eq!(waiting(&other), 1);
}
