// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.37;

import {ERC721} from "@openzeppelin/contracts/token/ERC721/ERC721.sol";
import {IERC165} from "@openzeppelin/contracts/utils/introspection/IERC165.sol";
import {IERC2981} from "@openzeppelin/contracts/interfaces/IERC2981.sol";
import {IERC4906} from "@openzeppelin/contracts/interfaces/IERC4906.sol";
import {IERC5267} from "@openzeppelin/contracts/interfaces/IERC5267.sol";
import {SignatureChecker} from "@openzeppelin/contracts/utils/cryptography/SignatureChecker.sol";
import {MessageHashUtils} from "@openzeppelin/contracts/utils/cryptography/MessageHashUtils.sol";
import {Base64} from "@openzeppelin/contracts/utils/Base64.sol";
import {Strings} from "@openzeppelin/contracts/utils/Strings.sol";
import {Clones} from "@openzeppelin/contracts/proxy/Clones.sol";
import {RoyaltySplitter} from "./RoyaltySplitter.sol";

/// @title Conversations that can be owned
/// @notice A token stands for one conversation about a medical image. The chain holds a commitment to it, never
/// anything readable. It comes to be only with the signature of every contributor, pays them royalties by the
/// shares they signed, and ends when as many of them as they agreed on withdraw it. Nobody has special rights:
/// there is no owner of this contract, and it cannot be changed.
/// @dev A conversation's id is the hash that its contributors signed, its last 16 bits zero. That id is also the
/// token of the original; edition n has the id plus n. So nobody can take an id before its contributors do, terms
/// can be used once only, and keys can be stored under the id before it is minted.
contract ConversationToken is ERC721, IERC2981, IERC4906, IERC5267 {
    /// @notice What every contributor signs.
    struct MintTerms {
        /// Salted Merkle root over the signed events and the ids of the files: says nothing, proves everything.
        bytes32 commitment;
        /// Where the sealed conversation lies, encrypted under the key that holders get from the key nodes.
        bytes32 pointer;
        /// Strictly ascending, so that nobody is in twice.
        address[] contributors;
        /// Of the royalties, in hundredths of a percent, in the order of `contributors`; 10,000 together.
        uint16[] shares;
        /// Gets the original.
        address holder;
        /// Each gets an edition.
        address[] editions;
        /// How many contributors it takes to withdraw the conversation.
        uint8 quorum;
        /// Of each resale, in hundredths of a percent.
        uint16 royalty;
        /// Seconds since 1970; not minted after it.
        uint64 deadline;
        /// Random: makes a second proposal for the same conversation another one.
        uint256 nonce;
    }

    /// What is kept of a conversation: the first three words of storage say all of it.
    struct Conversation {
        address splitter;
        uint16 royalty;
        uint16 editions;
        uint8 quorum;
        /// Contributors who have asked for withdrawal.
        uint8 retractions;
        bool withdrawn;
        bytes32 commitment;
        bytes32 pointer;
    }

    uint256 public constant MAX_CONTRIBUTORS = 100;
    uint256 public constant MAX_EDITIONS = 1_000;
    /// Ten percent.
    uint256 public constant MAX_ROYALTY = 1_000;

    bytes32 private constant TERMS_TYPE = keccak256(
        "MintTerms(bytes32 commitment,bytes32 pointer,address[] contributors,uint16[] shares,address holder,address[] editions,uint8 quorum,uint16 royalty,uint64 deadline,uint256 nonce)"
    );
    /// Name, version, chain and contract are in the domain.
    bytes1 private constant DOMAIN_FIELDS = 0x0f;
    string private constant DOMAIN_NAME = "HealthSync Conversation";
    string private constant DOMAIN_VERSION = "1";
    bytes4 private constant ERC4906_ID = 0x49064906;
    uint256 private constant EDITION_BITS = 0xffff;

    /// @notice The block this contract was deployed in: a reader of its events starts here.
    // Deliberately no immutables: the code on chain stays equal to the checked-in artifact, byte for byte.
    uint256 public firstBlock;
    /// @notice The code that each conversation's splitter is a clone of.
    address public splitterCode;

    mapping(uint256 id => Conversation) private conversations;
    mapping(uint256 id => mapping(address person => uint256)) private holdings;
    mapping(uint256 id => mapping(address person => bool)) public hasRetracted;
    mapping(address person => mapping(uint256 id => bool)) public hasRevoked;

    event ConversationMinted(
        uint256 indexed id,
        address indexed holder,
        Conversation conversation,
        address[] contributors,
        uint16[] shares
    );
    /// @notice A contributor takes back a signature that has not been used.
    event ConsentRevoked(uint256 indexed id, address indexed person);
    /// @notice A contributor wants the conversation withdrawn; `so_far` of the quorum do.
    event Retracted(uint256 indexed id, address indexed contributor, uint8 soFar);
    /// @notice From now on the conversation opens for nobody by its tokens, and they do not move.
    event Withdrawn(uint256 indexed id);

    error AlreadyMinted(uint256 id);
    error NoSuchConversation(uint256 id);
    error Expired(uint64 deadline);
    error NoCommitment();
    error BadContributors();
    error BadShares(uint256 total);
    error BadQuorum(uint8 quorum, uint256 contributors);
    error RoyaltyTooHigh(uint16 royalty);
    error TooManyEditions(uint256 editions);
    /// `person` has not signed these terms, or has revoked the signature.
    error NoConsent(address person);
    error NotAContributor(uint256 id, address person);
    error RetractedBefore(uint256 id, address person);
    error IsWithdrawn(uint256 id);

    constructor() ERC721("HealthSync Conversation", "HSC") {
        firstBlock = block.number;
        splitterCode = address(new RoyaltySplitter());
    }

    /// @notice Mints the conversation that all contributors have signed, its editions, and its splitter. Whoever
    /// sends it, the result is the same: a stranger who copies the call only pays for it.
    /// @param signatures Of each contributor, in their order; ERC-1271 for contracts.
    function mint(MintTerms calldata terms, bytes[] calldata signatures) external returns (uint256 id) {
        bytes32 hash = consentHash(terms);
        id = conversationOf(uint256(hash));
        if (conversations[id].splitter != address(0)) revert AlreadyMinted(id);
        if (block.timestamp > terms.deadline) revert Expired(terms.deadline);
        _checkTerms(terms);
        _checkConsent(terms, signatures, hash, id);

        Conversation memory conversation = Conversation({
            splitter: Clones.cloneDeterministicWithImmutableArgs(
                splitterCode, abi.encode(terms.contributors, terms.shares), bytes32(id)
            ),
            royalty: terms.royalty,
            editions: uint16(terms.editions.length),
            quorum: terms.quorum,
            retractions: 0,
            withdrawn: false,
            commitment: terms.commitment,
            pointer: terms.pointer
        });
        conversations[id] = conversation;
        emit ConversationMinted(id, terms.holder, conversation, terms.contributors, terms.shares);
        for (uint256 i = 0; i < terms.editions.length; i++) {
            // Without asking the receiver: one contract that refuses would hold up everybody else.
            _mint(terms.editions[i], id + i + 1);
        }
        // Last, because a contract that receives it is called.
        _safeMint(terms.holder, id);
    }

    /// @notice The caller's signature under these terms is worth nothing from now on.
    function revokeConsent(uint256 id) external {
        if (conversations[id].splitter != address(0)) revert AlreadyMinted(id);
        hasRevoked[msg.sender][id] = true;
        emit ConsentRevoked(id, msg.sender);
    }

    /// @notice A contributor asks that the conversation be withdrawn; with the quorum's last it is, for good.
    function retract(uint256 id) external {
        Conversation storage conversation = _known(id);
        if (conversation.withdrawn) revert IsWithdrawn(id);
        if (RoyaltySplitter(payable(conversation.splitter)).shareOf(msg.sender) == 0) {
            revert NotAContributor(id, msg.sender);
        }
        if (hasRetracted[id][msg.sender]) revert RetractedBefore(id, msg.sender);
        hasRetracted[id][msg.sender] = true;
        uint8 soFar = ++conversation.retractions;
        emit Retracted(id, msg.sender, soFar);
        if (soFar >= conversation.quorum) {
            conversation.withdrawn = true;
            emit Withdrawn(id);
            emit BatchMetadataUpdate(id, id + conversation.editions);
        }
    }

    /// @notice Whether `person` may open the conversation of `token`: holds the original or an edition of it, and
    /// it is not withdrawn. What key nodes ask before they give out a share.
    function canOpen(uint256 token, address person) external view returns (bool) {
        uint256 id = token & ~EDITION_BITS;
        return holdings[id][person] > 0 && !conversations[id].withdrawn;
    }

    /// @notice The id of the conversation that a token is the original or an edition of.
    function conversationOf(uint256 token) public pure returns (uint256) {
        return token & ~EDITION_BITS;
    }

    /// @notice The id that a conversation with these terms has, minted or not.
    function conversationId(MintTerms calldata terms) public view returns (uint256) {
        return conversationOf(uint256(consentHash(terms)));
    }

    /// @notice What contributors sign: the terms as EIP-712 typed data, bound to this chain and contract.
    function consentHash(MintTerms calldata terms) public view returns (bytes32) {
        bytes32 domain = MessageHashUtils.toDomainSeparator(
            DOMAIN_FIELDS, DOMAIN_NAME, DOMAIN_VERSION, block.chainid, address(this), bytes32(0)
        );
        return MessageHashUtils.toTypedDataHash(
            domain,
            keccak256(
                abi.encode(
                    TERMS_TYPE,
                    terms.commitment,
                    terms.pointer,
                    keccak256(abi.encodePacked(terms.contributors)),
                    keccak256(abi.encodePacked(terms.shares)),
                    terms.holder,
                    keccak256(abi.encodePacked(terms.editions)),
                    terms.quorum,
                    terms.royalty,
                    terms.deadline,
                    terms.nonce
                )
            )
        );
    }

    /// @notice Everything about a token's conversation, and who holds that token, in one call. `holder` is zero
    /// where there is no such token.
    function describe(uint256 token)
        external
        view
        returns (
            address holder,
            Conversation memory conversation,
            address[] memory contributors,
            uint16[] memory shares
        )
    {
        conversation = _known(conversationOf(token));
        holder = _ownerOf(token);
        (contributors, shares) = RoyaltySplitter(payable(conversation.splitter)).agreed();
    }

    /// @notice Whether the conversation of this token has been withdrawn by its contributors.
    function isWithdrawn(uint256 token) external view returns (bool) {
        return _known(conversationOf(token)).withdrawn;
    }

    /// @inheritdoc IERC2981
    function royaltyInfo(uint256 token, uint256 price)
        external
        view
        returns (address receiver, uint256 amount)
    {
        Conversation storage conversation = conversations[conversationOf(token)];
        receiver = conversation.splitter;
        // A price that overflows here is beyond all money.
        amount = price * conversation.royalty / 10_000;
    }

    /// @notice A name made of the id, and whether it is withdrawn. There is nothing else to tell.
    function tokenURI(uint256 token) public view override returns (string memory) {
        _requireOwned(token);
        uint256 edition = token & EDITION_BITS;
        string memory kind = edition == 0 ? "original" : string.concat("edition ", Strings.toString(edition));
        string memory id = Strings.toHexString(conversationOf(token), 32);
        bool withdrawn = conversations[conversationOf(token)].withdrawn;
        bytes memory json = abi.encodePacked(
            '{"name":"Conversation ',
            id,
            ", ",
            kind,
            '","description":"A sealed conversation about a medical image. Whoever holds this token can open it until its contributors withdraw it.","attributes":[{"trait_type":"Withdrawn","value":"',
            withdrawn ? "yes" : "no",
            '"}]}'
        );
        return string.concat("data:application/json;base64,", Base64.encode(json));
    }

    /// @inheritdoc IERC5267
    function eip712Domain()
        external
        view
        returns (
            bytes1 fields,
            string memory name,
            string memory version,
            uint256 chainId,
            address verifyingContract,
            bytes32 salt,
            uint256[] memory extensions
        )
    {
        return (
            DOMAIN_FIELDS,
            DOMAIN_NAME,
            DOMAIN_VERSION,
            block.chainid,
            address(this),
            bytes32(0),
            new uint256[](0)
        );
    }

    function supportsInterface(bytes4 interfaceId) public view override(ERC721, IERC165) returns (bool) {
        return interfaceId == type(IERC2981).interfaceId || interfaceId == ERC4906_ID
            || super.supportsInterface(interfaceId);
    }

    /// Keeps count of who holds anything of a conversation, and holds the tokens of a withdrawn one still, so
    /// that nobody pays for one.
    function _update(address to, uint256 token, address auth) internal override returns (address from) {
        from = super._update(to, token, auth);
        uint256 id = conversationOf(token);
        if (from != address(0)) {
            if (conversations[id].withdrawn) revert IsWithdrawn(id);
            holdings[id][from]--;
        }
        holdings[id][to]++;
    }

    function _known(uint256 id) private view returns (Conversation storage conversation) {
        conversation = conversations[id];
        if (conversation.splitter == address(0)) revert NoSuchConversation(id);
    }

    function _checkTerms(MintTerms calldata terms) private pure {
        if (terms.commitment == bytes32(0)) revert NoCommitment();
        uint256 count = terms.contributors.length;
        if (count == 0 || count > MAX_CONTRIBUTORS || terms.shares.length != count) revert BadContributors();
        address before = address(0);
        uint256 total = 0;
        for (uint256 i = 0; i < count; i++) {
            if (terms.contributors[i] <= before) revert BadContributors();
            before = terms.contributors[i];
            if (terms.shares[i] == 0) revert BadShares(0);
            total += terms.shares[i];
        }
        if (total != 10_000) revert BadShares(total);
        if (terms.quorum == 0 || terms.quorum > count) revert BadQuorum(terms.quorum, count);
        if (terms.royalty > MAX_ROYALTY) revert RoyaltyTooHigh(terms.royalty);
        if (terms.editions.length > MAX_EDITIONS) revert TooManyEditions(terms.editions.length);
    }

    function _checkConsent(MintTerms calldata terms, bytes[] calldata signatures, bytes32 hash, uint256 id)
        private
        view
    {
        for (uint256 i = 0; i < terms.contributors.length; i++) {
            address person = terms.contributors[i];
            if (
                hasRevoked[person][id] || i >= signatures.length
                    || !SignatureChecker.isValidSignatureNowCalldata(person, hash, signatures[i])
            ) revert NoConsent(person);
        }
    }
}
