//! Which of the final answers goes to the caller when nobody has said yes (RFC 3261 section 16.7 step 6).

use rsipstack::sip::Response;

/// The place of an answer in the order of choice; the lowest is taken.
fn rank(response: &Response) -> (u16, u16) {
    let code = response.status_code.code();
    let class = match code / 100 {
        6 => 0,
        class => class,
    };
    let within = match code {
        // those that tell the caller how to do better
        401 | 407 | 415 | 420 | 484 => 0,
        // that this one does not answer says less than what any other has said
        408 | 487 | 503 => 2,
        _ => 1,
    };
    (class, within)
}

/// The best of these; the first of equals.
pub(super) fn best(answers: Vec<(usize, Response)>) -> Option<(usize, Response)> {
    answers.into_iter().min_by_key(|(_, response)| rank(response))
}

#[cfg(test)]
mod tests {
    use rsipstack::sip::StatusCode;

    use super::*;

    fn chosen(codes: &[u16]) -> u16 {
        let response = |code: &u16| Response {
            status_code: StatusCode::Other(*code, String::new()),
            ..Response::default()
        };
        let answers = codes.iter().map(response).enumerate().collect();
        best(answers).unwrap().1.status_code.code()
    }

    #[test]
    fn the_best_of_all_answers_is_chosen() {
        assert_eq!(chosen(&[404, 603, 486]), 603);
        assert_eq!(chosen(&[500, 486, 302]), 302);
        assert_eq!(chosen(&[486, 401]), 401);
        assert_eq!(chosen(&[408, 487, 486]), 486);
        assert_eq!(chosen(&[503, 500]), 500);
        assert_eq!(chosen(&[480, 486]), 480, "the first of equals");
    }
}
