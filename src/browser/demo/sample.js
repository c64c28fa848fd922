// What a page after Microsoft's sample does, step by step, in our own words.

const { mount } = document.documentElement.dataset;
const said = document.getElementById('said');

// A page that lets its visitors say who they are: whatever stands here, the session decides.
const query = new URLSearchParams({ locale: 'en-us', userId: 'forged', userName: 'Forged' });

const request = new XMLHttpRequest();
request.open('POST', `${mount}/chatBot?${query}`);
request.onload = () => {
  if (request.status === 200) initBotConversation(request.response);
  else said.textContent += ` No token: ${request.status}.`;
};
request.send();

function initBotConversation(jsonWebToken) {
  // No base64url and no UTF-8 in here, as in many a page: the token has to be written so that this works.
  const payload = JSON.parse(atob(jsonWebToken.split('.')[1]));
  said.textContent = `The token names ${payload.userName}.`;
  said.dataset.payload = JSON.stringify({ userId: payload.userId, userName: payload.userName });

  // The sample writes https here. Everything of this demo is plain HTTP, on loopback.
  const domain = `${location.protocol}//${payload.directLineURI}/v3/directline`;

  const store = WebChat.createStore({}, ({ dispatch }) => (next) => (action) => {
    if (action.type === 'DIRECT_LINE/CONNECT_FULFILLED') {
      dispatch({
        type: 'DIRECT_LINE/POST_ACTIVITY',
        meta: { method: 'keyboard' },
        payload: { activity: { type: 'invoke', name: 'InitConversation', locale: 'en-us', value: { jsonWebToken } } },
      });
    }
    return next(action);
  });
  const directLine = WebChat.createDirectLine({ token: payload.connectorToken, domain });
  const userID = payload.userId;
  WebChat.renderWebChat({ directLine, store, userID, locale: 'en-us' }, document.getElementById('webchat'));
}
