//! gRPC's framing of a stream of discovery: five bytes, a flag and a length, before each message. A proxy's
//! stream is idle nearly always, and tonic's keep, on both ways, a buffer of what the largest message took: of
//! an Envoy that introduces itself, 44 KB. Here a message has memory for as long as it is on its way.
//!
//! What does not live here: what the messages say, and HTTP/2.

use bytes::{Buf as _, BufMut as _, Bytes, BytesMut};
use http::HeaderMap;
use http::header::{CONTENT_TYPE, HeaderValue};
use http_body_util::BodyExt as _;
use hyper::body::{Body, Frame};
use prost::Message;
use std::convert::Infallible;
use std::marker::PhantomData;
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use tokio::sync::mpsc;
use tonic::metadata::GRPC_CONTENT_TYPE;
use tonic::{Code, Status};

/// A flag that says whether the message is compressed, and its length in four bytes, big-endian.
const HEADER: usize = 5;
/// The largest request that is read: a subscription of many names.
const MAX_REQUEST_BYTES: usize = 16 * 1024 * 1024;

/// The requests in the body of a call.
#[derive(Debug)]
pub(super) struct Requests<B, M> {
    body: B,
    /// What came of the next message. Without memory of its own where that is nothing.
    pending: BytesMut,
    message: PhantomData<fn() -> M>,
}

impl<B, M> Requests<B, M>
where
    B: Body<Data = Bytes> + Unpin,
    M: Message + Default,
{
    pub(super) fn new(body: B) -> Self {
        Self {
            body,
            pending: BytesMut::new(),
            message: PhantomData,
        }
    }

    /// The next request, or `None` where the proxy ended the stream. May be dropped while it waits: nothing
    /// of the stream is lost.
    ///
    /// # Errors
    /// What a proxy is to be told that sends no messages of gRPC, or that is gone.
    pub(super) async fn next(&mut self) -> Result<Option<M>, Status> {
        loop {
            if let Some(message) = take_message(&mut self.pending)? {
                let request = M::decode(message)
                    .map_err(|fault| Status::invalid_argument(format!("a request: {fault}")))?;
                return Ok(Some(request));
            }
            match self.body.frame().await {
                Some(Ok(frame)) => {
                    // A request has no trailers that say anything.
                    let data = frame.into_data().unwrap_or_default();
                    self.pending.extend_from_slice(&data);
                }
                Some(Err(_)) => return Err(Status::cancelled("the proxy is gone")),
                None if self.pending.is_empty() => return Ok(None),
                None => return Err(Status::internal("the stream ends within a request")),
            }
        }
    }
}

/// Takes the first message out of what came, where all of it came; memory that nothing is left in is given
/// back.
fn take_message(pending: &mut BytesMut) -> Result<Option<Bytes>, Status> {
    let Some((header, rest)) = pending.split_first_chunk::<HEADER>() else {
        return Ok(None);
    };
    let [flag, length @ ..] = *header;
    if flag != 0 {
        let text = format!("a request with the flag {flag}: compression is not served");
        return Err(Status::unimplemented(text));
    }
    let length = usize::try_from(u32::from_be_bytes(length)).unwrap_or(usize::MAX);
    if length > MAX_REQUEST_BYTES {
        let text = format!("a request of {length} bytes; the most are {MAX_REQUEST_BYTES}");
        return Err(Status::out_of_range(text));
    }
    if rest.len() < length {
        return Ok(None);
    }
    pending.advance(HEADER);
    let message = pending.split_to(length).freeze();
    if pending.is_empty() {
        *pending = BytesMut::new();
    }
    Ok(Some(message))
}

/// The answer to a call whose responses come out of `responses`. The first error there ends it, and so does
/// the end of the channel, without one.
pub(super) fn answer<M>(responses: Responses<M>) -> http::Response<axum::body::Body>
where
    M: Message + 'static,
{
    let mut answer = http::Response::new(axum::body::Body::new(ResponseBody {
        responses: Some(responses),
    }));
    let headers = answer.headers_mut();
    headers.insert(CONTENT_TYPE, GRPC_CONTENT_TYPE);
    headers.insert("grpc-accept-encoding", HeaderValue::from_static("identity"));
    answer
}

/// Where responses come from. Boxed: a channel makes room for 32 of them at once, whatever its bound is.
pub(super) type Responses<M> = mpsc::Receiver<Box<Result<M, Status>>>;

struct ResponseBody<M> {
    /// `None` when the status was told.
    responses: Option<Responses<M>>,
}

impl<M: Message> Body for ResponseBody<M> {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        let Some(responses) = &mut self.responses else {
            return Poll::Ready(None);
        };
        let next = ready!(responses.poll_recv(context));
        let status = match next.map(|response| response.and_then(|it| framed(&it))) {
            Some(Ok(bytes)) => return Poll::Ready(Some(Ok(Frame::data(bytes)))),
            Some(Err(status)) => status,
            None => Status::new(Code::Ok, ""),
        };
        self.responses = None;
        Poll::Ready(Some(Ok(Frame::trailers(trailers(&status)))))
    }
}

fn framed<M: Message>(message: &M) -> Result<Bytes, Status> {
    let length = message.encoded_len();
    let mut bytes = BytesMut::with_capacity(length.saturating_add(HEADER));
    bytes.put_u8(0);
    let too_long = |_| Status::resource_exhausted("a response of 4 GB");
    bytes.put_u32(u32::try_from(length).map_err(too_long)?);
    let no_room = |fault: prost::EncodeError| Status::internal(fault.to_string());
    message.encode(&mut bytes).map_err(no_room)?;
    Ok(bytes.freeze())
}

fn trailers(status: &Status) -> HeaderMap {
    let mut trailers = HeaderMap::new();
    if status.add_header(&mut trailers).is_err() {
        // Its text has no form as a header; its code has.
        trailers.clear();
        let code = HeaderValue::from(i32::from(status.code()));
        trailers.insert(Status::GRPC_STATUS, code);
    }
    trailers
}

#[cfg(test)]
mod tests {
    use super::*;
    use envoy_types::pb::envoy::service::discovery::v3::DiscoveryRequest;
    use http_body_util::{Full, StreamBody};
    use proptest::prelude::*;
    use tokio::runtime::Builder;

    fn request(name: &str) -> DiscoveryRequest {
        DiscoveryRequest {
            type_url: name.to_owned(),
            ..DiscoveryRequest::default()
        }
    }

    fn chunks(chunks: Vec<Bytes>) -> impl Body<Data = Bytes> + Unpin {
        let frames = chunks
            .into_iter()
            .map(|it| Ok::<_, Infallible>(Frame::data(it)));
        StreamBody::new(futures::stream::iter(frames))
    }

    /// What is read of a body until it ends, or ends badly.
    fn read(body: impl Body<Data = Bytes> + Unpin) -> (Vec<String>, Result<(), Status>) {
        Builder::new_current_thread()
            .build()
            .unwrap()
            .block_on(async {
                let mut requests = Requests::<_, DiscoveryRequest>::new(body);
                let mut all = Vec::new();
                loop {
                    match requests.next().await {
                        Ok(Some(request)) => all.push(request.type_url),
                        Ok(None) => return (all, Ok(())),
                        Err(status) => return (all, Err(status)),
                    }
                }
            })
    }

    proptest! {
        #[test]
        fn requests_are_read_however_they_are_cut_into_chunks(
            names in prop::collection::vec("[a-z]{0,40}", 0..8),
            size in 1_usize..100,
        ) {
            let all = names.iter().flat_map(|it| framed(&request(it)).unwrap());
            let all: Vec<u8> = all.collect();
            let pieces = all.chunks(size).map(Bytes::copy_from_slice).collect();
            let (got, end) = read(chunks(pieces));
            prop_assert_eq!(got, names);
            prop_assert!(end.is_ok());
        }

        #[test]
        fn garbage_is_an_error_or_nothing_and_never_a_panic(
            bytes in prop::collection::vec(any::<u8>(), 0..200),
            size in 1_usize..50,
        ) {
            let pieces = bytes.chunks(size).map(Bytes::copy_from_slice).collect();
            let _ = read(chunks(pieces));
        }
    }

    #[test]
    fn what_is_no_message_is_refused_and_what_came_before_it_is_read() {
        let good = framed(&request("first")).unwrap();
        let cases: [(&[u8], Code, &str); 4] = [
            (&[1, 0, 0, 0, 0], Code::Unimplemented, "compression"),
            (
                &[0, 255, 255, 255, 255],
                Code::OutOfRange,
                "4294967295 bytes",
            ),
            (&[0, 0, 0, 0, 9, 1], Code::Internal, "within a request"),
            (
                &[0, 0, 0, 0, 2, 255, 255],
                Code::InvalidArgument,
                "a request: ",
            ),
        ];
        for (garbage, code, says) in cases {
            let body = [&good[..], garbage].concat();
            let (read, end) = read(Full::new(Bytes::from(body)));
            let status = end.unwrap_err();
            assert_eq!((read, status.code()), (vec!["first".to_owned()], code));
            assert!(status.message().contains(says), "{status}");
        }
    }

    #[test]
    fn a_stream_that_waits_holds_no_memory_of_what_passed() {
        let mut pending = BytesMut::new();
        pending.extend_from_slice(&framed(&request(&"x".repeat(20_000))).unwrap());
        assert!(take_message(&mut pending).unwrap().is_some());
        assert_eq!(pending.capacity(), 0);
    }

    #[tokio::test]
    async fn an_answer_ends_with_its_status_and_says_nothing_after_it() {
        let frames = async |sent: Vec<Result<DiscoveryRequest, Status>>| {
            let (sender, responses) = mpsc::channel(8);
            for response in sent {
                sender.send(Box::new(response)).await.unwrap();
            }
            drop(sender);
            let answer = answer(responses);
            assert_eq!(answer.headers()[CONTENT_TYPE], "application/grpc");
            answer.into_body().collect().await.unwrap()
        };
        let status = |all: &http_body_util::Collected<Bytes>| {
            let trailers = all.trailers().unwrap();
            Status::from_header_map(trailers).unwrap()
        };
        let first = framed(&request("first")).unwrap();

        let ended = frames(vec![Ok(request("first"))]).await;
        assert_eq!(status(&ended).code(), Code::Ok);
        assert_eq!(ended.to_bytes(), first);

        let refusal = Err(Status::permission_denied("no: fleet »edge«"));
        let refused = frames(vec![Ok(request("first")), refusal, Ok(request("second"))]).await;
        assert_eq!(status(&refused).code(), Code::PermissionDenied);
        assert_eq!(status(&refused).message(), "no: fleet »edge«");
        assert_eq!(refused.to_bytes(), first);
    }
}
