//! The load client against a server of a few lines.

use tokio::net::TcpListener;

use super::*;

struct Numbers {
    post: Post,
    answers: Vec<(u64, u16, Vec<u8>)>,
}

impl Traffic for Numbers {
    fn request(&mut self, idx: u64, _due: Instant, buffer: &mut Vec<u8>) {
        self.post.append(idx.to_string().as_bytes(), buffer);
    }

    fn answer(&mut self, idx: u64, status: u16, body: &[u8]) {
        self.answers.push((idx, status, body.to_vec()));
    }
}

/// Gives each request's body back, `n` times on each connection; then closes it without an answer.
async fn echo(n: usize) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move {
        while let Ok((mut stream, _)) = listener.accept().await {
            tokio::spawn(async move {
                for _ in 0..n {
                    let mut request = vec![0; 1024];
                    let len = stream.read(&mut request).await.unwrap();
                    let request = String::from_utf8_lossy(&request[..len]);
                    let body = request.split("\r\n\r\n").nth(1).unwrap_or_default();
                    let head = format!("HTTP/1.1 202 A\r\nContent-Length: {}\r\n\r\n", body.len());
                    stream.write_all((head + body).as_bytes()).await.unwrap();
                }
            });
        }
    });
    address
}

fn plan(address: SocketAddr) -> Plan {
    Plan {
        address,
        connections: 4,
        requests: 100,
        time_max: Duration::from_secs(60),
        rate: None,
        answer_max: Duration::from_secs(10),
    }
}

fn numbers() -> Arc<Mutex<Numbers>> {
    let post = Post::new("localhost", "/", &[]);
    Arc::new(Mutex::new(Numbers { post, answers: Vec::new() }))
}

#[tokio::test]
async fn every_request_gets_the_answer_to_itself() {
    let traffic = numbers();
    let outcome = run(plan(echo(usize::MAX).await), Arc::clone(&traffic)).await.unwrap();
    assert_eq!((outcome.of_class(2), outcome.failed), (100, 0));
    assert_eq!(outcome.latency.count(), 100);
    let answers = &traffic.lock().unwrap().answers;
    assert!(answers.iter().all(|(idx, _, body)| idx.to_string().as_bytes() == body));
}

#[tokio::test]
async fn a_lost_connection_costs_one_request_and_is_opened_anew() {
    let outcome = run(plan(echo(10).await), numbers()).await.unwrap();
    assert!(outcome.failed > 0);
    assert_eq!(outcome.of_class(2) + outcome.failed, 100);
}

#[tokio::test]
async fn an_open_loop_ends_with_its_time() {
    let mut plan = plan(echo(usize::MAX).await);
    plan.rate = Some(1000.0);
    plan.time_max = Duration::from_millis(49);
    let outcome = run(plan, numbers()).await.unwrap();
    assert_eq!(outcome.of_class(2), 50);
}
